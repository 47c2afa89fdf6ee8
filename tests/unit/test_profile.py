# SPDX-License-Identifier: Apache-2.0
"""The kernel profile: what the maker refuses, and that it says what the kernel says."""

import hashlib
import struct

import pytest

from kapu import patchsites, profile
from kapu.btf import Btf
from kapu.errors import KapuError
from kapu.kernelimage import KernelImage
from kapu.paths import BUILD
from kapu.patchsites import NOP, Site

DEFINITIONS = profile.DEFINITIONS.read_text()


@pytest.fixture(scope="module")
def parts():
    folder = (BUILD / "gateway" / "vmlinux").resolve().parent
    return {"vmlinux": (folder / "vmlinux").read_bytes(), "btf": (folder / "vmlinux.btf").read_bytes(),
            "image": (folder / "Image").read_bytes(), "config": (folder / "config").read_text()}


@pytest.fixture(scope="module")
def kernel(parts):
    return KernelImage(parts["vmlinux"])


@pytest.fixture(scope="module")
def types(parts):
    return Btf(parts["btf"])


def test_two_makings_are_one(parts):
    assert profile.make_profile(**parts) == profile.make_profile(**parts)


def test_each_missing_item_is_named(parts):
    wrong = DEFINITIONS + "FIELD(task_struct, no_such)\nSYMBOL(no_such_symbol)\nSIZE(no_struct)\n"
    with pytest.raises(KapuError) as error:
        profile.make_profile(**parts, definitions=wrong)
    for name in ("task_struct.no_such", "no_such_symbol", "no_struct"):
        assert name in str(error.value)


def test_an_item_of_an_option_that_is_off_is_absent(kernel, types):
    items = profile.parse_definitions("SYMBOL_IF(MODULES, modules)\nSIZE(task_struct)\n")
    assert profile.item_values(items, kernel, types, set())[0] == profile.ABSENT
    with pytest.raises(KapuError, match="modules"):
        profile.item_values(items, kernel, types, {"MODULES"})


def test_elements_of_an_array_are_counted(kernel, types):
    items = profile.parse_definitions("COUNT(timer_base, vectors)\nCOUNT(pid, tasks)\n")
    assert profile.item_values(items, kernel, types, set()) == [576, 4]
    assert profile.item_name("COUNT", ["pid", "tasks"]) == "pid.tasks[]"
    with pytest.raises(KapuError, match="pid.level is no array"):
        types.elements("pid", "level")


@pytest.mark.parametrize("line", ["FIELD(a)", "COUNT(a)", "SYMBOL(a, b)", "STRUCT(a)", "FIELD(a, b"])
def test_a_wrong_line_of_the_definitions_is_refused(line):
    with pytest.raises(KapuError, match="line 1"):
        profile.parse_definitions(line)


def test_another_image_is_refused(parts):
    image = bytearray(parts["image"])
    image[0x20000] ^= 1
    with pytest.raises(KapuError, match="not the same kernel"):
        profile.make_profile(**(parts | {"image": bytes(image)}))


def test_offsets_agree_with_the_content_of_init_task(kernel, types):
    """init_task's name and its own group leader stand where BTF says, whatever the layout's seed."""
    at = kernel.offset("init_task")
    comm = at + types.offset("task_struct", "comm")
    assert kernel.content[comm:comm + 8] == b"swapper\0"
    assert kernel.pointer(at + types.offset("task_struct", "group_leader")) == at


def test_a_moved_branch_keeps_its_target():
    inside = lambda target: False  # noqa: E731
    assert patchsites.moved(0x14000004, 0x1000, 0x2000, inside) == patchsites.branch(0x2000, 0x1010)
    assert patchsites.moved(0x14000004, 0x1000, 0x2000, lambda t: t == 0x1010) == 0x14000004
    assert patchsites.moved(NOP, 0x1000, 0x2000, inside) == NOP


def test_alternatives_of_the_same_words_are_one_site():
    sites = patchsites.group([(8, (1, 2), [(3, 4)]), (8, (1, 2), [(5, 6)])])
    assert sites == [Site(8, patchsites.VARIANTS, [(1, 2), (3, 4), (5, 6)])]


def test_overlapping_alternatives_are_taken_word_by_word():
    sites = patchsites.group([(8, (1, 2), [(3, 4)]), (12, (2,), [(7,)])])
    assert [(s.offset, s.variants) for s in sites] == [(8, [(1,), (3,)]), (12, [(2,), (4,), (7,)])]


def test_an_unknown_patching_function_is_refused_by_name():
    with pytest.raises(KapuError, match="some_new_callback"):
        patchsites.callback_variants("some_new_callback", (NOP,))


def test_sections_lie_where_the_directory_says(parts):
    data = profile.make_profile(**parts)
    magic, version, size = struct.unpack_from("<8sII", data)
    assert (magic, version, size) == (b"KAPUPROF", profile.VERSION, len(data))
    at = profile.HEADER + 8 * 14
    for i, record in enumerate((4, 16, 8, 32, 68, 16, 4, 12, 4, 8, 1, 16, 128, 8)):
        offset, count = struct.unpack_from("<II", data, profile.HEADER + 8 * i)
        assert offset == at
        at += (count * record + 7) // 8 * 8
    at += -at % 64
    assert at == len(data) - 32 and data[at:] == hashlib.sha256(data[:at]).digest()
