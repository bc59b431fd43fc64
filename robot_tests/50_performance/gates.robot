*** Settings ***
Documentation       Nothing is worse than what was reviewed: bytes, accuracy, instructions, cycles, flash, RAM
...                 and stack, against reports/baselines. What is new is written there by:
...                 nnom-hil run --limit 100; nnom-hil compare --update
Resource            ../target.resource
Library             OperatingSystem
Suite Setup         Run The Digits
Suite Teardown      Close Run
Test Tags           performance


*** Variables ***
${VECTORS}          ${100}


*** Test Cases ***
Nothing Is Worse Than The Baseline
    Gates Should Hold

Memory Is Measured
    ${flash}    Flash Should Be At Most    ${131072}
    ${ram}    Ram Should Be At Most    ${65536}
    ${stack}    Stack Should Be At Most    ${4096}
    Should Be True    0 < ${stack} < ${ram} < ${flash}

A Slower Build Fails By Name
    [Documentation]    Against a baseline of this compiler's, whichever it is.
    Write Baseline    ${OUTPUT DIR}${/}baseline.json
    Gates Should Hold    ${OUTPUT DIR}${/}baseline.json
    Run The Digits    kernels=plain
    Verdict Should Be    pass
    Outputs Should Equal Those Of    ${FOLDER}
    Run Keyword And Expect Error    *cycles: expected *, actual *, allowed +2 %*
    ...    Gates Should Hold    ${OUTPUT DIR}${/}baseline.json


*** Keywords ***
Run The Digits
    [Arguments]    &{options}
    ${folder}    Open Run On Target    limit=${VECTORS}    &{options}
    IF    not $options    VAR    ${FOLDER}    ${folder}    scope=SUITE
    Take All Steps
