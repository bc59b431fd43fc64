*** Settings ***
Documentation       The firmware in Renode's own Robot engine, without the harness around it:
...                 nnom-hil build --board stm32f4 -o /tmp/f, then
...                 renode-test robot_tests/renode --variable ELF:/tmp/f/stm32f4.elf
...                 --variable PLATFORM:/tmp/f/stm32f4.repl
Resource            ${RENODEKEYWORDS}
Suite Setup         Setup
Suite Teardown      Teardown
Test Setup          Make Machine
Test Teardown       Test Teardown
Test Tags           renode


*** Variables ***
${ELF}              stm32f4.elf
${PLATFORM}         stm32f4.repl
${MIPS}             168
${UART}             sysbus.console


*** Test Cases ***
Model Compiles
    Create Terminal Tester    ${UART}    timeout=20
    Start Emulation
    Wait For Line On Uart    Start compiling model
    Wait For Line On Uart    Compling done

Instructions Are Counted
    Create Terminal Tester    ${UART}    timeout=20
    Start Emulation
    Wait For Line On Uart    Compling done
    ${count}    Execute Command    cpu ExecutedInstructions
    Should Be True    int('${count}'.strip(), 0) > 0


*** Keywords ***
Make Machine
    Execute Command    mach create "nnom_hil"
    Execute Command    machine LoadPlatformDescription @${PLATFORM}
    Execute Command    cpu PerformanceInMips ${MIPS}
    Execute Command    sysbus LoadELF @${ELF}
