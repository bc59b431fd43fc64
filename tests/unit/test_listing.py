"""Instructions by what they are: names with conditions, widths and types, on every kind of core."""

import subprocess
from pathlib import Path

import pytest

from nnom_hil.boards import Cpu
from nnom_hil.profiler.listing import Instruction, InstructionClass, disassemble

KINDS = {
    InstructionClass.LOAD: """
        ldr r0, [r1]; ldrb r0, [r1, #1]; ldrsh.w r0, [r1, #2]; ldrd r0, r1, [r2]; ldmia r0!, {r1,
        r2}; ldmdb r0, {r1, r2}; pop {r4, pc}; vldr s0, [r0]; vldmia r0, {s0-s3}; vpop {s0-s3};
        ldrex r0, [r1]""",
    InstructionClass.STORE: """
        str r0, [r1]; strb r0, [r1]; strd r0, r1, [r2]; stmia r0!, {r1, r2}; push {r4, lr}; vstr
        s0, [r0]; vpush {s0}; strex r0, r1, [r2]""",
    InstructionClass.SIMD_MULTIPLY: """
        smlad r0, r1, r2, r3; smladx r0, r1, r2, r3; smlabb r0, r1, r2, r3; smlawt r0, r1, r2, r3;
        smlald r0, r1, r2, r3; smuad r0, r1, r2; smulbt r0, r1, r2; smulwb r0, r1, r2; smlsd r0,
        r1, r2, r3; smusd r0, r1, r2""",
    InstructionClass.MULTIPLY: """
        mul r0, r1, r2; muls r0, r1, r0; mla r0, r1, r2, r3; mls r0, r1, r2, r3; smull r0, r1, r2,
        r3; umull r0, r1, r2, r3; smlal r0, r1, r2, r3; umaal r0, r1, r2, r3; smmul r0, r1, r2;
        smmlar r0, r1, r2, r3""",
    InstructionClass.DIVIDE: "sdiv r0, r1, r2; udiv r0, r1, r2",
    InstructionClass.BRANCH: """
        b .; b.w .; bne .; bgt.w .; bl .; bx lr; blx r0; cbz r0, 9f; cbnz r0, 9f; tbb [r0, r1];
        tbh [r0, r1, lsl #1]; 9: nop""",
    InstructionClass.SIMD: """
        sxtb16 r0, r1; sxtab16 r0, r1, r2; uxtb16 r0, r1, ror #8; pkhbt r0, r1, r2; pkhtb r0, r1,
        r2, asr #16; qadd8 r0, r1, r2; uhadd16 r0, r1, r2; ssub8 r0, r1, r2; sel r0, r1, r2;
        ssat16 r0, #8, r1; usada8 r0, r1, r2, r3""",
    InstructionClass.FLOAT: """
        vadd.f32 s0, s1, s2; vmul.f32 s0, s1, s2; vmov r0, s0; vcvt.s32.f32 s0, s0; vmrs
        apsr_nzcv, fpscr; vdiv.f32 s0, s1, s2; vcmp.f32 s0, s1""",
    InstructionClass.OTHER: """
        movs r0, #1; movw r0, #300; adds r0, #1; add.w r0, r1, r2, lsl #2; cmp r0, r1; teq r0, r1;
        lsls r0, #2; bics r0, r1; bic r0, r1; ssat r0, #8, r1; usat r0, #8, r1; sxtb r0, r1; sxtah
        r0, r1, r2; rev r0, r1; ubfx r0, r1, #2, #3; it eq; moveq r0, #1; svc #0; mvn r0, r1; adcs
        r0, r1; sbcs r0, r1; clz r0, r1; bfi r0, r1, #2, #3""",
}
"""What a Cortex-M4 has. Each assembler statement is one instruction."""
CONDITIONAL = {
    InstructionClass.LOAD: "ldreq r0, [r1]; ldrbne.w r0, [r1, #300]; popcs {r4, pc}",
    InstructionClass.STORE: "strlt r0, [r1]; strhle r0, [r1]",
    InstructionClass.MULTIPLY: "mulhi r0, r1, r2; mlsge r0, r1, r2, r3",
    InstructionClass.SIMD_MULTIPLY: "smladvs r0, r1, r2, r3; smlabbmi r0, r1, r2, r3",
    InstructionClass.BRANCH: "bxne lr",
    InstructionClass.OTHER: "movle r0, #1; addls r0, #1; cmppl r0, r1",
}
HELIUM = {
    InstructionClass.VECTOR: """
        vmladava.s16 r0, q0, q1; vadd.i32 q0, q1, q2; vmaxa.s8 q0, q1; vmov q0, q1; vmovlt.s8 q0,
        q1; vdup.8 q0, r0; vctp.8 r0; vpst; vaddt.i32 q0, q1, q2; vmlaldava.s32 r0, r1, q0, q1;
        vqdmulh.s32 q0, q0, r1; vrshl.s32 q0, q0, r1; vpsel q0, q1, q2""",
    InstructionClass.LOAD: """
        vldrb.8 q0, [r0], #16; vldrw.u32 q0, [r0, q1, uxtw #2]; vldrb.s16 q0, [r0]; vld40.8 {q0,
        q1, q2, q3}, [r0]""",
    InstructionClass.STORE: """
        vstrb.8 q0, [r0], #16; vstrw.32 q0, [r0]; vst20.8 {q0, q1}, [r0]""",
    InstructionClass.BRANCH: """
        0: le lr, 0b; 1: letp lr, 1b; wls lr, r0, 2f; wlstp.8 lr, r0, 2f; nop; 2: nop""",
    InstructionClass.OTHER: "dls lr, r0; dlstp.8 lr, r0; csel r0, r1, r2, eq",
}


def listed(folder: Path, text: str, core: Cpu, flags: str) -> list[Instruction]:
    """Assemble and list."""
    source = folder / "it.s"
    source.write_text(f".syntax unified\n.thumb\n.text\n{text}\n")
    command: list[str | Path]
    command = ["arm-none-eabi-gcc", f"-mcpu={flags}", "-mthumb", "-mfloat-abi=hard", "-c", source]
    subprocess.run([*command, "-o", folder / "it.o"], check=True, cwd=folder)
    found = disassemble(folder / "it.o", core).values()
    return [one for one in found if one.name != "nop"]  # which fills a section up


def statements(text: str) -> list[str]:
    return [" ".join(one.split()) for one in text.split(";")]


@pytest.mark.parametrize(("kind", "text"), KINDS.items(), ids=list(KINDS))
def test_kinds_of_a_cortex_m4(kind: InstructionClass, text: str, tmp_path: Path) -> None:
    found = listed(tmp_path, "\n".join(statements(text)), Cpu.CORTEX_M4, "cortex-m4")
    assert len(found) == text.count(";") + 1 - text.count("nop")
    assert [(i.name, i.kind) for i in found if i.kind is not kind] == []


@pytest.mark.parametrize(("kind", "text"), CONDITIONAL.items(), ids=list(CONDITIONAL))
def test_a_condition_changes_no_kind(kind: InstructionClass, text: str, tmp_path: Path) -> None:
    lines = []
    for one in statements(text):
        name = one.split()[0].partition(".")[0]
        lines.append(f"it {name[-2:]}\n{one}")
    found = [i for i in listed(tmp_path, "\n".join(lines), Cpu.CORTEX_M4, "cortex-m4")
             if i.name != "it"]  # fmt: skip
    assert len(found) == text.count(";") + 1
    assert [(i.name, i.kind) for i in found if i.kind is not kind] == []
    assert not any(i.name.endswith(("eq", "lt", "hi", "vs", "ne", "pl")) for i in found)


@pytest.mark.parametrize(("kind", "text"), HELIUM.items(), ids=list(HELIUM))
def test_kinds_of_helium(kind: InstructionClass, text: str, tmp_path: Path) -> None:
    found = listed(tmp_path, "\n".join(statements(text)), Cpu.CORTEX_M55, "cortex-m55")
    assert len(found) == text.count(";") + 1 - text.count("nop")
    assert [(i.name, i.kind) for i in found if i.kind is not kind] == []


def test_sizes_operands_and_functions_are_told_and_data_left_out(tmp_path: Path) -> None:
    text = """
    .type one, %function
one: ldr r0, =0x12345678
    bx lr
    .ltorg
    .word 0xE7FEE7FE, 0xBF00BF00
    .type two, %function
two: add.w r0, r1, r2, lsl #2
    b.w one
    """
    found = listed(tmp_path, text, Cpu.CORTEX_M4, "cortex-m4")
    assert [(i.function, i.name, i.size) for i in found] == [
        ("one", "ldr", 2), ("one", "bx", 2), ("two", "add", 4), ("two", "b", 4),
    ]  # fmt: skip
    assert found[2].operands == "r0, r1, r2, lsl #2"
    assert [i.address for i in found] == [0, 2, 16, 20]
