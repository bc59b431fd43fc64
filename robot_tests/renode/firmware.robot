*** Settings ***
Documentation       The firmware in Renode's own Robot engine, without the harness around it.
Library             nnom_hil.robot.NnomHil
Library             engine.py
Suite Setup         Start Renode
Suite Teardown      Stop Engine
Test Setup          Make Machine
Test Teardown       Renode.Reset Emulation
Test Tags           renode


*** Variables ***
${BOARD}            stm32f4
${UART}             sysbus.console


*** Test Cases ***
Model Compiles
    Renode.Create Terminal Tester    ${UART}    20
    Renode.Start Emulation
    Renode.Wait For Line On Uart    Start compiling model
    Renode.Wait For Line On Uart    Compling done

Instructions Are Counted
    Renode.Create Terminal Tester    ${UART}    20
    Renode.Start Emulation
    Renode.Wait For Line On Uart    Compling done
    ${count}    Renode.Execute Command    sysbus.cpu ExecutedInstructions
    Should Be True    int($count.strip(), 0) > 0


*** Keywords ***
Start Renode
    ${reason}    Why Board Cannot Run    ${BOARD}    renode
    Skip If    $reason    ${reason}
    ${firmware}    Write Firmware    ${BOARD}    ${OUTPUT DIR}${/}firmware
    Set Suite Variable    ${FIRMWARE}    ${firmware}
    ${address}    Start Engine    ${OUTPUT DIR}${/}engine
    Import Library    Remote    ${address}    AS    Renode

Make Machine
    Renode.Execute Command    mach create "nnom_hil"
    Renode.Execute Command    machine LoadPlatformDescription @${FIRMWARE}[platform]
    Renode.Execute Command    sysbus.cpu PerformanceInMips 1000
    Renode.Execute Command    sysbus LoadELF @${FIRMWARE}[elf]
