"""One server on one data folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from al_server.data_folder import DataFolder
from al_server.errors import DataFolderInUse

HOLD = """
import sys, time
from pathlib import Path
from al_server.data_folder import DataFolder
held = DataFolder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_a_second_server_is_told_the_process_of_the_first(tmp_path: Path) -> None:
    first = DataFolder(tmp_path)
    with pytest.raises(DataFolderInUse, match=rf"process {os.getpid()}\b") as caught:
        DataFolder(tmp_path)
    assert "--data" in caught.value.remedy
    first.release()
    DataFolder(tmp_path).release()


def test_the_folder_is_free_again_after_kill_9(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DataFolderInUse, match=rf"process {other.pid}\b"):
            DataFolder(tmp_path)
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    DataFolder(tmp_path).release()


def test_the_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    DataFolder(tmp_path / "a" / "b").release()
    assert (tmp_path / "a" / "b").is_dir()
