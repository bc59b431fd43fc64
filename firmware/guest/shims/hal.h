/* SPDX-License-Identifier: Apache-2.0
 * What NNoM's users take from ST's HAL around a network: ticks, and a timer that counts
 * microseconds. The board's start-up is ours. */
#ifndef HAL_H
#define HAL_H

#include <stdint.h>

#include "guest/guest.h"

typedef enum { HAL_OK = 0, HAL_ERROR, HAL_BUSY, HAL_TIMEOUT } HAL_StatusTypeDef;

#define HAL_Init() HAL_OK

uint32_t HAL_GetTick(void);
void HAL_Delay(uint32_t ms);

typedef struct {
    uint32_t Prescaler, CounterMode, Period, ClockDivision, RepetitionCounter, AutoReloadPreload;
} TIM_Base_InitTypeDef;

typedef struct {
    void *Instance;
    TIM_Base_InitTypeDef Init;
} TIM_HandleTypeDef;

#define TIM1 ((void *)1)
#define TIM2 ((void *)2)
#define TIM3 ((void *)3)
#define TIM4 ((void *)4)
#define TIM5 ((void *)5)
#define TIM_COUNTERMODE_UP 0u
#define TIM_CLOCKDIVISION_DIV1 0u
#define TIM_AUTORELOAD_PRELOAD_DISABLE 0u
#define TIM_AUTORELOAD_PRELOAD_ENABLE 0x80u
#define __HAL_RCC_TIM1_CLK_ENABLE() ((void)0)
#define __HAL_RCC_TIM2_CLK_ENABLE() ((void)0)
#define __HAL_RCC_TIM3_CLK_ENABLE() ((void)0)
#define __HAL_RCC_TIM4_CLK_ENABLE() ((void)0)
#define __HAL_RCC_TIM5_CLK_ENABLE() ((void)0)
#define __TIM2_CLK_ENABLE() ((void)0)
#define __TIM3_CLK_ENABLE() ((void)0)
#define HAL_TIM_Base_Init(timer) ((void)(timer), HAL_OK)
#define HAL_TIM_Base_Start(timer) ((void)(timer), HAL_OK)
#define HAL_TIM_Base_Stop(timer) ((void)(timer), HAL_OK)
#define HAL_RCC_GetSysClockFreq() 1000000u
#define HAL_RCC_GetHCLKFreq() 1000000u
#define HAL_RCC_GetPCLK1Freq() 1000000u
#define HAL_RCC_GetPCLK2Freq() 1000000u
#define __HAL_TIM_GET_COUNTER(timer) ((void)(timer), guest_us())
#define __HAL_TIM_GetCounter(timer) __HAL_TIM_GET_COUNTER(timer)
#define __HAL_TIM_SET_COUNTER(timer, value) ((void)(timer), (void)(value))

#endif
