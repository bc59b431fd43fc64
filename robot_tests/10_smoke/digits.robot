*** Settings ***
Documentation       One trained network walks the whole way: Keras file, weights.h, firmware, emulated
...                 board, vectors over the UART, record.
Resource            ../target.resource
Library             OperatingSystem
Suite Setup         Open Digits Run
Suite Teardown      Close Run
Test Tags           smoke


*** Variables ***
${VECTORS}          ${60}


*** Test Cases ***
Model Is Converted
    ${hash}    Convert Model
    Length Should Be    ${hash}    64

Firmware Is Built
    ${flash}    Build Firmware
    Should Be True    0 < ${flash} < 1048576

Target Starts And Tells Its Board
    ${board}    Start Target
    Should Be Equal    ${board}    ${BOARD}

Layers Are Timed And Profiled And Vectors Streamed
    Time Layers
    ${profile}    Profile Layers
    Should Be True    100000 < ${profile}[conv2d_2] < 500000
    File Should Exist    ${FOLDER}${/}profile.json
    ${answered}    Stream Vectors
    Should Be Equal As Integers    ${answered}    ${VECTORS}

Run Passes
    ${verdict}    Finish Run
    Verdict Should Be    pass
    Should Be Equal    ${verdict}    pass
    File Should Exist    ${FOLDER}${/}run.json
    File Should Exist    ${FOLDER}${/}report.html

Every Output Equals The Reference
    Outputs Should Equal Reference

Accuracy Is Kept
    Accuracy Should Be At Least    0.97
    Accuracy Should Be Within    1.0

Every Layer Is Counted
    Layer Times Should Be Positive
    ${instructions}    Inference Instructions Should Be At Most    ${800000}
    Should Be True    ${instructions} > 400000

A Time That An Emulator Does Not Have Is Not Asserted
    Run Keyword And Expect Error    *'model' and 'dwt' cannot be compared*
    ...    Inference Time Should Be At Most    ${1e9}    dwt

Console And Results Agree
    Printed Tables Should Agree


*** Keywords ***
Open Digits Run
    ${folder}    Open Run On Target    limit=${VECTORS}
    VAR    ${FOLDER}    ${folder}    scope=SUITE
