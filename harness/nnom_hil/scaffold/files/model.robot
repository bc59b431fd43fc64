*** Settings ***
Documentation       The int8 model on an emulated board: robot tests
Library             nnom_hil.robot.NnomHil
Suite Setup         Open Run    board=$${BOARD}    model=$${CURDIR}/../$model    data=$${CURDIR}/../$data
Suite Teardown      Close Run


*** Variables ***
$${BOARD}            $board


*** Test Cases ***
Every Output Equals The Reference
    Take All Steps
    Outputs Should Equal Reference
$accuracy_test
It Fits
    Flash Should Be At Most    $${1048576}
