# SPDX-License-Identifier: MIT


class ThumbdError(ValueError):
    """A mistake of the caller."""
