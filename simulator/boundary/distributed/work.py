"""What a collective gives to who called it: a ``Work``, done already or to be waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.distributed import Work
from torch.futures import Future

from simulator.boundary.caller import current
from simulator.boundary.calls import refuse


class RankWork(Work):  # type: ignore[misc]
    """One rank's part in a collective. ``wait`` waits for what it waits for, and fills the ``tensors``.

    Asked before it was waited for whether it is done, it refuses: the answer would hang on who goes on when, and no
    schedule says so.
    """

    def __init__(self, call: str, tensors: list[Any], finish: Callable[[], None] | None, source: int = -1) -> None:
        super().__init__()
        self._call = call
        self._tensors = tensors
        self._finish = finish
        self._source = source
        self._error: BaseException | None = None

    def wait(self, timeout: Any = None) -> bool:
        """Wait until the result is there. Always True; an error of the collective is raised, each time."""
        finish, self._finish = self._finish, None
        if finish is not None:
            try:
                finish()
            except Exception as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return True

    def is_completed(self) -> bool:
        """Whether it was waited for."""
        self._require("is_completed")
        return True

    def is_success(self) -> bool:
        """Whether it went well."""
        self._require("is_success")
        return self._error is None

    def exception(self) -> BaseException | None:
        """What went wrong."""
        self._require("exception")
        return self._error

    def result(self) -> list[Any]:
        """The tensors that the collective changed."""
        self._require("result")
        return self._tensors

    def synchronize(self) -> None:
        """As ``wait``."""
        self.wait()

    def block_current_stream(self) -> None:
        """As ``wait``: there are no streams."""
        self.wait()

    def get_future(self) -> Any:
        """A future with the tensors, of what was waited for."""
        self._require("get_future")
        future: Any = Future()
        future.set_result(self._tensors)
        return future

    def source_rank(self) -> int:
        """Who sent what was received."""
        return self._source

    _source_rank = source_rank

    def _require(self, method: str) -> None:
        caller = current()
        if self._finish is not None and caller is not None:
            refuse(caller, f"torch.distributed.{self._call}(): Work.{method}() before Work.wait()")
