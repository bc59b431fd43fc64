"""The baud rate that a UART driver's divider gives; the arithmetic of firmware/platform/uart."""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

__all__ = ["baud_fault", "real_baud"]

_MOST_ERROR = Fraction(2, 100)  # of both sides together 5 % are too much


def _divided(hz: int, baud: int, *, scale: int, least: int, most: int) -> Fraction | None:
    divider = (scale * hz + baud // 2) // baud
    return Fraction(scale * hz, divider) if least <= divider <= most else None


def _nrf(hz: int, baud: int) -> Fraction:
    rate = (((baud << 32) // hz) + 0x800) & ~0xFFF
    return Fraction(rate * hz, 1 << 32)


def _cmsdk(hz: int, baud: int) -> Fraction | None:
    divider = hz // baud
    return Fraction(hz, divider) if 16 <= divider < 1 << 20 else None


_DRIVERS: Final[dict[str, Callable[[int, int], Fraction | None]]] = {
    "stm32_usart": lambda hz, baud: _divided(hz, baud, scale=1, least=16, most=0xFFFF),
    "stm32_usart_v2": lambda hz, baud: _divided(hz, baud, scale=1, least=16, most=0xFFFF),
    "stm32_lpuart": lambda hz, baud: _divided(hz, baud, scale=256, least=0x300, most=0xFFFFF),
    "pl011": lambda hz, baud: _divided(hz, baud, scale=4, least=64, most=0xFFFF << 6),
    "cmsdk_uart": _cmsdk,
    "nrf_uart": _nrf,
}


def real_baud(driver: str, hz: int, baud: int) -> Fraction | None:
    """Return the rate on the wire; None where the divider is out of range.

    Raises KeyError for a driver whose arithmetic is not known here.
    """
    return _DRIVERS[driver](hz, baud)


def baud_fault(driver: str, hz: int, baud: int) -> str | None:
    """Return what is wrong with a rate, or None; hz: the UART's clock."""
    if driver not in _DRIVERS:
        return None
    real = real_baud(driver, hz, baud)
    if real is None:
        return f"baud = {baud}: {driver}'s divider of {hz} Hz has no such rate"
    if abs(real - baud) > _MOST_ERROR * baud:
        error = 100 * float(real / baud - 1)
        return f"baud = {baud}: {driver} gets {float(real):.0f} from {hz} Hz, {error:+.1f} %"
    return None
