*** Settings ***
Documentation       What can be wrong with a board at a debug probe, and what the user then reads.
...                 pyOCD flashes a virtual board here: its faults are planted, the path is the real one.
Library             Collections
Library             OperatingSystem
Library             nnom_hil.robot.NnomHil
Suite Setup         Set Up Table
Suite Teardown      Remove Environment Variable    NNOM_HIL_VIRTUAL_BOARDS    NNOM_HIL_HARDWARE    NNOM_HIL_LOCKS
Test Teardown       Close Run
Test Tags           faults    probe


*** Variables ***
${TABLE}            ${OUTPUT DIR}${/}table
${BOARD}            virtual_stm32f429


*** Test Cases ***
Board Without Faults
    Put Boards On The Table    ${EMPTY}
    Open Run At Probe
    Take All Steps
    Verdict Should Be    pass
    Outputs Should Equal Reference

No Probe
    Create File    ${TABLE}${/}rack.toml
    Run Should Stop With    *no debug probe is attached: check the cable*udev rule*

Two Probes
    Put Boards On The Table    ${EMPTY}    ${EMPTY}
    Run Should Stop With    *2 probes may be at board ${BOARD}: VIRT0*, VIRT1*; name one with --probe*

Wrong Chip
    Put Boards On The Table    id_code = 0x413
    Run Should Stop With    *VIRT0 is at another chip: its id at 0xe0042000 is 0x413*has 0x419*

Locked Flash
    Put Boards On The Table    read_protected = true
    Run Should Stop With    *flash of board ${BOARD} at probe VIRT0 is locked*pyocd erase --mass*

Protected Sectors
    Put Boards On The Table    write_protected = true
    Run Should Stop With    *would not be erased*protected from writing*

Bit That Will Not Program
    # of the stack pointer, which every image begins with, and whose lowest bits are 0
    Put Boards On The Table    stuck_bit = { address = 0x0800_0000, bit = 0 }
    Run Should Stop With    *holds something else than was written, first at 0x08000000*

Cable Pulled While Flashing
    Put Boards On The Table    unplugged_after = 900
    Run Should Stop With    *VIRT0: cannot flash: its connection was lost*plug it in again*

Attached Boards Are Found
    Put Boards On The Table    ${EMPTY}    id_code = 0x413
    ${boards}    Scan Boards
    Should Be Equal    ${boards}[VIRT0]    ${BOARD}
    Should Be Equal    ${boards}[VIRT1]    stm32f4


*** Keywords ***
Set Up Table
    Create Directory    ${TABLE}
    Set Environment Variable    NNOM_HIL_VIRTUAL_BOARDS    ${TABLE}${/}rack.toml
    Set Environment Variable    NNOM_HIL_HARDWARE    ${TABLE}${/}hardware.toml
    Set Environment Variable    NNOM_HIL_LOCKS    ${OUTPUT DIR}${/}locks

Put Boards On The Table
    [Documentation]    One for each argument, which is its faults.
    [Arguments]    @{faults}
    Remove File    ${TABLE}${/}*
    Create File    ${TABLE}${/}rack.toml
    FOR    ${i}    ${fault}    IN ENUMERATE    @{faults}
        Append To File
        ...    ${TABLE}${/}rack.toml
        ...    [[probe]]\nserial = "VIRT${i}"\nfaults = { ${fault} }\n
    END

Open Run At Probe
    Open Run    board=${BOARD}    backend=probe    limit=${40}    runs=${OUTPUT DIR}${/}runs

Run Should Stop With
    [Arguments]    ${message}
    Open Run At Probe
    Run Keyword And Expect Error    ${message}    Take All Steps
