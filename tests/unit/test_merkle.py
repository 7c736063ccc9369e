"""Trees and proofs as RFC 9162 has them, held to the examples of others."""

import json
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency,
    inclusion,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The reference log of RFC 6962's own implementation: eight entries, and the root after each.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]


def test_the_reference_log_has_its_roots() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    frontier = Frontier()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        frontier.extend([leaf])
        assert frontier.root().hex() == root


def vectors(data: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with tarfile.open(data / "vectors" / "merkle_testdata.tar.gz") as archive:
        for member in archive:
            if member.isfile() and member.name.startswith(f"{kind}/"):
                yield member.name, json.load(archive.extractfile(member))  # type: ignore[arg-type]


def decoded(values: list[str] | None) -> list[bytes]:
    return [b64decode(value) for value in values or []]


def test_inclusion_proofs_of_others_verify_and_their_broken_ones_do_not(data: Path) -> None:
    seen = set()
    for name, case in vectors(data, "inclusion"):
        root, leaf = decoded([case["root"] or "", case["leafHash"] or ""])
        good = verify_inclusion(case["leafIdx"], case["treeSize"], leaf, decoded(case["proof"]), root)
        assert good is not case["wantErr"], name
        seen.add(good)
    assert seen == {True, False}


def test_consistency_proofs_of_others_verify_and_their_broken_ones_do_not(data: Path) -> None:
    seen = set()
    for name, case in vectors(data, "consistency"):
        roots = decoded([case["root1"] or "", case["root2"] or ""])
        good = verify_consistency(case["size1"], case["size2"], *roots, decoded(case["proof"]))
        assert good is not case["wantErr"], name
        seen.add(good)
    assert seen == {True, False}


def test_our_proofs_are_those_of_others(data: Path) -> None:
    def paths(ranges: list[tuple[int, int]]) -> list[bytes]:
        return [root_of(LEAVES[low:high]) for low, high in ranges]

    for _, case in vectors(data, "inclusion"):
        if case["desc"] == "happy path" and case["treeSize"] <= len(LEAVES):
            assert paths(inclusion(case["leafIdx"], case["treeSize"])) == decoded(case["proof"])
    for _, case in vectors(data, "consistency"):
        if case["desc"] == "happy path":
            assert paths(consistency(case["size1"], case["size2"])) == decoded(case["proof"])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3), (5, 4)])
def test_there_is_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion(index, size)
    assert not verify_inclusion(index, size, LEAVES[0], [], LEAVES[0])


@pytest.mark.parametrize(("first", "size"), [(0, 0), (0, 5), (6, 5)])
def test_a_tree_grows_out_of_no_empty_and_no_larger_one(first: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such tree"):
        consistency(first, size)
    assert not verify_consistency(first, size, EMPTY_ROOT, EMPTY_ROOT, [])
