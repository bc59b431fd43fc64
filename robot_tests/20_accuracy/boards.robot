*** Settings ***
Documentation       One network, the same bytes on every kind of core and in every back end. What is not
...                 installed here is skipped, saying what it is.
Library             nnom_hil.robot.NnomHil
Library             small_models.py
Test Template       Board Gives The Same Bytes
Test Tags           boards


*** Test Cases ***    BOARD               BACKEND    MODEL
Process               native              native
Cortex-M0             microbit            qemu       small
Cortex-M3             lm3s6965evb         qemu
Cortex-M4             stm32f4             qemu
Cortex-M7             mps2_an500          qemu
Cortex-M33            mps2_an505          qemu
Cortex-M55            mps3_an547          qemu
Renode Cortex-M0      stm32f072b_disco    renode     small
Renode Cortex-M3      stm32f103           renode     small
Renode Cortex-M4      stm32f4             renode
Renode Nordic         nrf52840dk          renode
Renode Cortex-M7      stm32f746g_disco    renode


*** Keywords ***
Board Gives The Same Bytes
    [Documentation]    A network whose answers are near each other, so that they tell of any kernel that is
    ...    wrong by one; where it does not fit, one layer.
    [Arguments]    ${board}    ${backend}    ${model}=separable
    ${reason}    Why Board Cannot Run    ${board}    ${backend}
    Skip If    $reason    ${reason}
    &{model}    Files Of    ${model}
    Open Run    board=${board}    backend=${backend}    limit=${20}    tensors=all
    ...    runs=${OUTPUT DIR}${/}runs
    ...    &{model}
    Take All Steps
    Verdict Should Be    pass
    Outputs Should Equal Reference
    Layer Times Should Be Positive
    Printed Tables Should Agree
    [Teardown]    Close Run

Files Of
    [Arguments]    ${model}
    IF    $model == 'separable'
        RETURN    ${{{'model': 'separable'}}}
    END
    ${folder}    Make Model    ${{pathlib.Path(r'${OUTPUT DIR}') / 'small'}}    10    softmax    classes
    RETURN    ${{{'model': $folder / 'm.keras', 'data': $folder / 'm.npz'}}}
