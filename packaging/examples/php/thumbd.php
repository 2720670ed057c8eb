<?php
// SPDX-License-Identifier: MIT
// Signed URLs for thumbd. Paths are not percent-encoded.
//
//     $key = thumbd\read_key('/etc/myapp/gallery.key');
//     echo thumbd\thumbnail($key, '/thumbs/', 'a.jpg', '400x300_crop', 'webp');

declare(strict_types=1);

namespace thumbd;

function read_key(string $path): string
{
    return preg_replace('/\n\z/', '', file_get_contents($path));
}

function signature(string $key, string $text): string
{
    $mac = substr(hash_hmac('sha256', $text, $key, true), 0, 21);
    return strtr(base64_encode($mac), '+/', '-_');
}

function thumbnail(string $key, string $prefix, string $original, string $spec, string $ext): string
{
    $stem = "{$prefix}{$original}/{$spec}_";
    return escape_path($stem . signature($key, "{$stem}.{$ext}") . ".{$ext}");
}

/** The URL of a protected path until $expires, in seconds since 1970. */
function access(string $key, string $path, int $expires): string
{
    return signed('access', $key, $path, "expires={$expires}");
}

/** The URL of a file until $expires, to be saved under $name. */
function download(string $key, string $path, int $expires, ?string $name = null): string
{
    $query = "expires={$expires}";
    if ($name !== null) {
        $query .= '&download=' . rawurlencode($name);
    }
    return signed('file', $key, $path, $query);
}

function signed(string $purpose, string $key, string $path, string $query): string
{
    return escape_path($path) . "?{$query}&signature=" . signature($key, "{$purpose}\n{$path}\n{$query}");
}

function escape_path(string $path): string
{
    return implode('/', array_map('rawurlencode', explode('/', $path)));
}
