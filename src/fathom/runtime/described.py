"""Whether settings carry what their docstrings say, which only the reference of the options shows.

pydantic reads the docstrings of all classes out of their source, which is half of what it takes to import them. A plan
and a job turn that off before they import any.
"""

from __future__ import annotations

wanted: bool = True
