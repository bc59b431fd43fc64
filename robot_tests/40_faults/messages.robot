*** Settings ***
Documentation       What can go wrong before a vector is sent, and what the user then reads.
Library             nnom_hil.robot.NnomHil
Library             OperatingSystem
Test Teardown       Close Run
Test Tags           faults


*** Test Cases ***
Board That Does Not Exist
    Run Keyword And Expect Error    *no board 'stm32f5'; known: *did you mean 'stm32f4'*
    ...    Open Run    board=stm32f5

Back End That The Board Lacks
    Run Keyword And Expect Error    *board mps2_an386 has no back end 'qmu'; its file has qemu*did you mean 'qemu'*
    ...    Open Run    board=mps2_an386    backend=qmu    limit=${2}    runs=${OUTPUT DIR}${/}none
    Directory Should Not Exist    ${OUTPUT DIR}${/}none

Port That Is Not There
    Open Run    board=native    port=${OUTPUT DIR}${/}ttyNONE    limit=${2}    runs=${OUTPUT DIR}${/}runs
    Run Keyword And Expect Error    *ttyNONE: no such port; is the board plugged in?*    Take All Steps

Fault That Is None
    Run Keyword And Expect Error    *no fault 'bite_error'; known: byte_error*
    ...    Open Run    faults=bite_error=1

Encoding That Is None
    Run Keyword And Expect Error    *--encoding 'zip' is unknown; there are: auto, raw, compact*
    ...    Open Run    encoding=zip

Model That Does Not Fit
    Open Run    board=microbit    limit=${2}    runs=${OUTPUT DIR}${/}runs
    Run Keyword And Expect Error    *the model does not fit board microbit*    Take All Steps
