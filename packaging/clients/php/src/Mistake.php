<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace Thumbd;

/** A mistake of the caller. */
final class Mistake extends \InvalidArgumentException
{
}
