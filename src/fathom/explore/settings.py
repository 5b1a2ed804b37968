"""What the page to explore the results may hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fathom.schema import Settings


class ExploreSettings(Settings):
    """The page to explore the results."""

    megabytes: Annotated[float, Field(ge=0.25)] = 6.0
    """Largest size of the page. What does not fit is left out in a fixed order, token texts first, and the page says
    what that is and which file has it. The default run needs half a megabyte; 6 MB still go into a mail."""
    token_texts: Annotated[int, Field(ge=0)] = 8
    """Texts of each corpus that the page shows word by word, tinted by the norm of their tokens and the attention they
    receive. The page carries these texts: 0 where texts must not travel."""
