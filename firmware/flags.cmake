# What the library and the firmware around it must agree on. Needs CPU_FLAGS (they select the core,
# or sanitizers), OPTIMISE (-O2), COMPAT (1: NNoM 0.4.3's own int8 results) and SWITCHES (of nnom_port.h, for the
# header's layout; may be empty).
foreach(setting CPU_FLAGS OPTIMISE COMPAT SWITCHES)
    if(NOT DEFINED ${setting})
        message(FATAL_ERROR "${setting} is not set; build with nnom-hil, or see docs/architecture.md")
    endif()
endforeach()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
separate_arguments(CPU_FLAGS)
add_compile_options(
    ${CPU_FLAGS} ${OPTIMISE} -g -ffunction-sections -fdata-sections -fno-common -fstack-usage
    -ffile-prefix-map=${CMAKE_CURRENT_LIST_DIR}=firmware
    -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wundef -Werror)
# newlib's own headers test undefined macros
add_compile_options(-Wno-undef)
set(NNOM_SETTINGS NNOM_PORT_CONFIG="platform/nnom_config.h" CONFIG_COMPAT_043=${COMPAT} ${SWITCHES})
