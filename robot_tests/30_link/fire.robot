*** Settings ***
Documentation       A bad link costs time, never a result: whatever is done to it, the record is that of a
...                 clean one.
Resource            ../target.resource
Test Template       Nothing Is Lost
Test Tags           link


*** Test Cases ***    BOARD       ENCODING    FAULTS
Changed Bytes         native      raw         byte_error=0.003
Changed Compact       native      compact     byte_error=0.003
Dropped Reads         native      raw         drop=0.02
Doubled Reads         native      raw         duplicate=0.1
Noise And Text        native      raw         garbage=0.1
Cut And Held Back     native      raw         split=0.2,delay=0.02
Target Resets         native      raw         resets=2
Target Hangs          native      raw         hangs=1
Connection Lost       native      raw         disconnects=2
All On The Board      ${BOARD}    compact     byte_error=0.003,drop=0.003,resets=1,disconnects=1


*** Keywords ***
Nothing Is Lost
    [Arguments]    ${board}    ${encoding}    ${faults}
    VAR    &{options}    model=separable    encoding=${encoding}    faults=${faults}    seed=${7}    limit=${30}
    IF    $board == $BOARD
        Open Run On Target    &{options}
    ELSE
        Open Run    board=${board}    runs=${RUNS}    &{options}
    END
    Take All Steps
    Verdict Should Be    pass
    Outputs Should Equal Reference
    Printed Tables Should Agree
    [Teardown]    Close Run
