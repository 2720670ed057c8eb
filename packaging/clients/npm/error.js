// SPDX-License-Identifier: MIT

/** The error of this package: a mistake of its caller. */
export class ThumbdError extends Error {}
