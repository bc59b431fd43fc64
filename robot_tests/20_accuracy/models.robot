*** Settings ***
Documentation       Every bundled model on the board: the reference's bytes, and hardly a right answer
...                 fewer than in Keras.
Resource            ../target.resource
Test Template       Model Keeps Its Accuracy
Test Tags           accuracy


*** Test Cases ***    MODEL        POINTS
Digits                digits       1.0
Residual              resnet       1.0
Separable             separable    1.0
Gated Recurrent       gru          1.0
Long Memory           lstm         1.0


*** Keywords ***
Model Keeps Its Accuracy
    [Documentation]    points: percentage points that quantisation may cost.
    [Arguments]    ${model}    ${points}
    Open Run On Target    model=${model}    limit=${40}
    Take All Steps
    Verdict Should Be    pass
    Outputs Should Equal Reference
    Accuracy Should Be Within    ${points}
    [Teardown]    Close Run
