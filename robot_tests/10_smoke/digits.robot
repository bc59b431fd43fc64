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

Every Layer Is Timed
    [Documentation]    Emulators count instructions; boards have a time.
    Layer Times Should Be Positive
    ${source}    Source Of Time
    IF    $source in ('model', 'instructions')
        ${instructions}    Inference Instructions Should Be At Most    ${800000}
        Should Be True    ${instructions} > 400000
    ELSE
        Inference Time Should Be At Most    ${1e9}    ${source}
    END

A Time Of Another Source Is Not Asserted
    ${source}    Source Of Time
    ${other}    Set Variable If    $source == 'dwt'    model    dwt
    Run Keyword And Expect Error    *'${source}' and '${other}' cannot be compared*
    ...    Inference Time Should Be At Most    ${1e9}    ${other}

Console And Results Agree
    Printed Tables Should Agree


*** Keywords ***
Open Digits Run
    ${folder}    Open Run On Target    limit=${VECTORS}
    VAR    ${FOLDER}    ${folder}    scope=SUITE

Source Of Time
    ${record}    Get Record
    RETURN    ${record}[time_source]
