/* SPDX-License-Identifier: Apache-2.0
 * A flash algorithm in CMSIS-Pack's form, for the STM32F4's flash controller (RM0090, 3): what a
 * pack brings and a debugger runs on the chip. It is position-independent and has no data. */
#include <stdint.h>

#define FLASH_KEYR (*(volatile uint32_t *)0x40023C04u)
#define FLASH_SR (*(volatile uint32_t *)0x40023C0Cu)
#define FLASH_CR (*(volatile uint32_t *)0x40023C10u)

#define CODE __attribute__((section("PrgCode"), used))

enum {
    ERRORS = 0xF0u,
    BUSY = 1u << 16,
    PROGRAM = 1u << 0,
    SECTOR_ERASE = 1u << 1,
    WORDS = 2u << 8,
    START = 1u << 16,
};

typedef struct {
    uint16_t version;
    char name[128];
    uint16_t type; /* 1: on chip */
    uint32_t base, size, page;
    uint32_t reserved;
    uint8_t erased;
    uint32_t program_ms, erase_ms;
    uint32_t sectors[8]; /* size and offset, to the end mark */
} flash_device;

__attribute__((section("DevDscr"), used)) const flash_device FlashDevice = {
    .version = 0x0101,
    .name = "1 MB of an STM32F4, for a test",
    .type = 1,
    .base = 0x08000000u,
    .size = 0x00100000u,
    .page = 1024,
    .erased = 0xFF,
    .program_ms = 100,
    .erase_ms = 6000,
    .sectors = {0x4000u, 0, 0x10000u, 0x10000u, 0x20000u, 0x20000u, 0xFFFFFFFFu, 0xFFFFFFFFu},
};

CODE int Init(uint32_t address, uint32_t clock, uint32_t operation)
{
    (void)address, (void)clock, (void)operation;
    FLASH_KEYR = 0x45670123u;
    FLASH_KEYR = 0xCDEF89ABu;
    FLASH_SR = ERRORS;
    return 0;
}

CODE int UnInit(uint32_t operation)
{
    (void)operation;
    FLASH_CR = 1u << 31;
    return 0;
}

CODE int EraseSector(uint32_t address)
{
    const uint32_t offset = address - 0x08000000u;
    const uint32_t sector = offset < 0x10000u   ? offset >> 14
                            : offset < 0x20000u ? 4u
                                                : 4u + (offset >> 17);
    FLASH_SR = ERRORS;
    FLASH_CR = SECTOR_ERASE | WORDS | sector << 3;
    FLASH_CR |= START;
    while (FLASH_SR & BUSY) {
    }
    FLASH_CR = 0;
    return (FLASH_SR & ERRORS) != 0;
}

CODE int ProgramPage(uint32_t address, uint32_t size, const uint32_t *data)
{
    FLASH_SR = ERRORS;
    FLASH_CR = PROGRAM | WORDS;
    for (uint32_t i = 0; i < (size + 3u) / 4u; i++) {
        ((volatile uint32_t *)address)[i] = data[i];
        while (FLASH_SR & BUSY) {
        }
    }
    FLASH_CR = 0;
    return (FLASH_SR & ERRORS) != 0;
}
