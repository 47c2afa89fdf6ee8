# SPDX-License-Identifier: Apache-2.0
"""swtpm on the state of a board."""

import pytest

from kapu import tpm
from kapu.errors import KapuError
from kapu.processes import process_alive, read_pid


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / ("long" * 40)  # longer than a socket's path may be
    made.mkdir()
    return made


def test_the_tpm_of_a_board_in_a_folder_of_any_length_is_served(folder):
    with tpm.served(folder) as path:
        assert path.is_socket() and path.with_name(path.name + ".ctrl").is_socket()
        pid = read_pid(folder / "swtpm.pid")
        assert process_alive(pid)
    assert not process_alive(pid) and not path.exists()


def test_who_comes_next_finds_the_state_free(folder):
    for _ in range(5):
        with tpm.served(folder):
            pass


def test_why_it_does_not_start_is_said(folder):
    with tpm.served(folder):
        pid = read_pid(folder / "swtpm.pid")
        with pytest.raises(KapuError, match=f"in use by process {pid}"):
            with tpm.served(folder):
                pass
        known = (folder / "swtpm.pid").rename(folder / "elsewhere")  # its own lock tells, too
        with pytest.raises(KapuError, match="swtpm does not start: .*[Cc]ould not lock"):
            with tpm.served(folder):
                pass
        known.rename(folder / "swtpm.pid")
        assert process_alive(pid)
    assert not process_alive(pid)
