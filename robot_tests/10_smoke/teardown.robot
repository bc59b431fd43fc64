*** Settings ***
Documentation       A suite that stops in the middle leaves no emulator and still leaves a record.
Resource            ../target.resource
Library             OperatingSystem
Library             Process
Test Tags           smoke


*** Test Cases ***
Run That Is Abandoned Leaves No Emulator
    ${folder}    Open Run    limit=${5}    runs=${OUTPUT DIR}${/}runs
    Convert Model
    Build Firmware
    Start Target
    ${emulators}    Emulators Of This Process
    Should Not Be Empty    ${emulators}
    Close Run
    ${emulators}    Emulators Of This Process
    Should Be Empty    ${emulators}
    File Should Exist    ${folder}${/}run.json

Second Board Needs One File
    Open Run    board=mps2_an386    limit=${20}    runs=${OUTPUT DIR}${/}runs
    Take All Steps
    Verdict Should Be    pass
    Layer Times Should Be Positive


*** Keywords ***
Emulators Of This Process
    ${pid}    Evaluate    os.getpid()    modules=os
    ${result}    Run Process    pgrep    -P    ${pid}    qemu-system-arm
    RETURN    ${result.stdout}
