<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace Thumbd;

/** The URL of a protected path until $expires, in seconds since 1970. */
function access(#[\SensitiveParameter] string $key, string $path, int $expires): string
{
    return signed('access', $key, $path, "expires={$expires}");
}

/** The URL of a file until $expires, to be saved under $name. */
function download(#[\SensitiveParameter] string $key, string $path, int $expires, ?string $name = null): string
{
    $query = "expires={$expires}";
    if ($name !== null) {
        $query .= '&download=' . rawurlencode($name);
    }
    return signed('file', $key, $path, $query);
}

/** @internal */
function signed(string $purpose, #[\SensitiveParameter] string $key, string $path, string $query): string
{
    return escape_path($path) . "?{$query}&signature=" . signature($key, "{$purpose}\n{$path}\n{$query}");
}

/**
 * The signature of a text. The newline at the end of a key's file is not of the key.
 *
 * @internal
 */
function signature(#[\SensitiveParameter] string $key, string $text): string
{
    $mac = substr(hash_hmac('sha256', $text, preg_replace('/\n\z/', '', $key), true), 0, 21);
    return strtr(base64_encode($mac), '+/', '-_');
}

/**
 * A path percent-encoded as thumbd url does: q=70 stays q=70.
 *
 * @internal
 */
function escape_path(string $path): string
{
    $kept = ['%2F' => '/', '%24' => '$', '%26' => '&', '%2B' => '+', '%2C' => ',', '%3A' => ':', '%3B' => ';', '%3D' => '=', '%40' => '@'];
    return strtr(rawurlencode($path), $kept);
}
