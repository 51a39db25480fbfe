"""``ckptrace profiles``, and how a profile and its options are asked for."""

from __future__ import annotations

from tests.cli.commands import Command


def test_every_profile_says_what_it_is_and_what_can_be_set(ckptrace: Command) -> None:
    result = ckptrace("profiles")
    assert result.code == 0
    assert "a server that each node sees through the caches of a Linux NFS client" in " ".join(result.out.split())
    listed = ckptrace("profiles", "--json", "-").json["profiles"]
    options = {each["name"]: each["options"] for each in listed}
    assert options["nfs"]["acdirmin"] == 30
    assert "acdirmin" not in options["shared"]


def test_a_profile_takes_options(ckptrace: Command) -> None:
    job = ("explore", "--strategy", "transformers-4.36.2", "--fs", "nfs", "--schedules", "30", "--no-confirm")
    assert ckptrace(*job).code == 1
    assert ckptrace(*job, "--fs-option", "noac=true").code == 0


def test_wrong_options_are_named(ckptrace: Command) -> None:
    job = ("explore", "--strategy", "transformers-4.36.2", "--schedules", "30")
    assert (
        "filesystem.options: unknown option 'noac'; there are rename_over"
        in ckptrace(*job, "--fs-option", "noac=1").err
    )
    assert "filesystem.options.vers: '5' is none of 3, 4" in ckptrace(*job, "--fs", "nfs", "--fs-option", "vers=5").err
    assert "unknown profile 'ntfs'; known are" in ckptrace(*job, "--fs", "ntfs").err
