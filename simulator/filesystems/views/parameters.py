"""What can be tuned of a profile, as the options of a scenario's file system give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_type_hints

import msgspec

from simulator.errors import UsageError

Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


_CHOICES: Final = frozenset({"either", "any", "ties", "reused"})


class Variations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where file systems differ, and which of what they do this one does. Options of every profile.

    ``rename_over``: the errno of a rename over a directory that is not empty, ``ENOTEMPTY`` (tmpfs, ext4, btrfs),
    ``EEXIST`` (XFS) or ``either``, by choice. ``listing``: the order of a scan, by ``names``, the ``reverse``, a fixed
    ``hash`` of the names (ext4), or ``any``, by choice: every order of up to three entries, eight orders of more.
    ``mtime``: two changes in a row get times that are ``strict``, later and later, or ``ties`` too, by choice: the
    kernel's clock is coarse. ``inodes``: numbers are ``new``, or by choice ``reused`` as on ext4. ``variations`` bounds
    the choices of a run that are not as undisturbed; None: as many as they come.

    Measured on Linux 6.18: what is in parentheses, and 198 of 199 directories made in a row with the time of the one
    before, on tmpfs, ext4, XFS and btrfs alike.
    """

    rename_over: Literal["ENOTEMPTY", "EEXIST", "either"] = "ENOTEMPTY"
    listing: Literal["names", "reverse", "hash", "any"] = "names"
    mtime: Literal["strict", "ties"] = "strict"
    inodes: Literal["new", "reused"] = "new"
    variations: Count | None = None

    @property
    def varies(self) -> bool:
        """Whether anything is not as the POSIX model has it."""
        return msgspec.structs.replace(self, variations=None) != Variations()

    @property
    def chooses(self) -> bool:
        """Whether anything is a choice."""
        return not _CHOICES.isdisjoint((self.rename_over, self.listing, self.mtime, self.inodes))


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of a profile that has none of its own."""


Options = TypeVar("Options", bound=msgspec.Struct)

AS_IS: Final = Variations()
"""What the POSIX model does by itself."""


def options_of(
    defaults: Options, given: Mapping[str, Any], variations: Variations = AS_IS
) -> tuple[Options, Variations]:
    """The options of a profile's own kind, and those of every profile; given its ``defaults`` and ``variations``.

    Texts, as the command line has them, stand for numbers and truth values. Raises UsageError, naming the key, for
    what the profile does not have or what cannot be.
    """
    if not given:
        return defaults, variations  # asked before every run
    kind = type(defaults)
    own = [field.encode_name for field in msgspec.structs.fields(kind)]
    common = [field.encode_name for field in msgspec.structs.fields(Variations)]
    unknown = [key for key in given if key not in own and key not in common]
    if unknown:
        raise UsageError(f"filesystem.options: unknown option {unknown[0]!r}; there are {', '.join([*own, *common])}")
    try:
        mine = {key: value for key, value in given.items() if key in own}
        chosen = msgspec.convert({**msgspec.structs.asdict(defaults), **mine}, kind, strict=False)
        changes = {key: value for key, value in given.items() if key in common}
        return chosen, msgspec.convert({**msgspec.structs.asdict(variations), **changes}, Variations, strict=False)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        key = place.rstrip("`")
        allowed = get_args(get_type_hints(Variations if key in common else kind).get(key))
        if text.startswith("Invalid enum value"):
            text = f"{given[key]!r} is none of {', '.join(map(str, allowed))}"
        raise UsageError(f"filesystem.options.{key}: {text[:1].lower()}{text[1:]}") from error
