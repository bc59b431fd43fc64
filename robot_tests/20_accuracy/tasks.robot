*** Settings ***
Documentation       What is judged follows from model and labels, and every option of a conversion is taken.
Library             nnom_hil.robot.NnomHil
Library             small_models.py
Library             OperatingSystem
Test Teardown       Close Run
Test Tags           tasks


*** Test Cases ***
Three Classes
    Run Of    3    softmax    classes    min_accuracy=0.0
    Task Should Be    classification
    Accuracy Should Be At Least    0.0
    Printed Tables Should Agree

Two Classes Of One Output
    Run Of    1    sigmoid    classes
    Task Should Be    binary
    Accuracy Should Be Within    100

Several Labels A Vector
    Run Of    3    sigmoid    several
    Task Should Be    multi_label
    Accuracy Should Be At Least    0.0
    Run Keyword And Expect Error    *there is no error: this was judged as multi-label*
    ...    Error Should Be At Most    1

Regression
    Run Of    2    linear    numbers    max_error=${100}
    Task Should Be    regression
    ${error}    Error Should Be At Most    100
    Should Be True    ${error} > 0
    Run Keyword And Expect Error    mean absolute error*    Error Should Be At Most    0
    Run Keyword And Expect Error    *there is no accuracy: this was judged as regression*
    ...    Accuracy Should Be At Least    0

Reconstruction
    Run Of    6    linear    inputs
    Task Should Be    reconstruction

No Labels
    Run Of    3    softmax    none
    Task Should Be    none

Bar Of Another Task
    Run Keyword And Expect Error    *--min-accuracy 0.5: this is judged as regression, which has no accuracy*
    ...    Run Of    2    linear    numbers    min_accuracy=${0.5}
    Directory Should Not Exist    ${OUTPUT DIR}${/}Bar Of Another Task${/}runs

Options Of A Conversion
    Run Of    3    softmax    classes    method=percentile    percentile=${99.5}    layout=chw    dense_order=plain
    Outputs Should Equal Reference
    Printed Tables Should Agree


*** Keywords ***
Run Of
    [Arguments]    ${outputs}    ${activation}    ${labels}    &{options}
    ${folder}    Make Model    ${OUTPUT DIR}${/}${TEST NAME}    ${outputs}    ${activation}    ${labels}
    Open Run    board=native    model=${folder}${/}m.keras    data=${folder}${/}m.npz
    ...    runs=${folder}${/}runs    warm_up=${0}    repeats=${1}    &{options}
    Take All Steps
    Verdict Should Be    pass
