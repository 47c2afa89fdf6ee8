# SPDX-License-Identifier: Apache-2.0
import pytest

from simulated import Fleet


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path)
    yield made
    made.end()
