"""Local networks keep what the benchmark shows, on a part of the images."""

from pathlib import Path

import pytest

from tests.benchmarks.embedding_quality import cifar10, fruits


@pytest.mark.slow
def test_a_layer_of_mobilenet_is_its_pooled_vector(shared_data: Path, tmp_path: Path) -> None:
    share, distance = fruits(shared_data, tmp_path, every=25)
    assert distance < 1e-5
    assert share > 0.75  # a 25th of the images; all of them: over 0.96


@pytest.mark.slow
def test_resnet32_from_a_file_tells_cifar10_apart(shared_data: Path, tmp_path: Path) -> None:
    assert cifar10(shared_data, tmp_path, every=20) > 0.75  # of all images: over 0.83
