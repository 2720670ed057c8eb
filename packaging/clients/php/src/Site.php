<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace Thumbd;

/**
 * A site of thumbd: URLs, srcsets and picture elements of its thumbnails. It does no
 * I/O.
 */
final class Site
{
    private const THUMBNAILS = ['jpg', 'png', 'webp', 'avif', 'gif'];
    private const EXTENSIONS = [
        'jpg' => 'jpg', 'jpeg' => 'jpg', 'jpe' => 'jpg', 'png' => 'png', 'webp' => 'webp', 'avif' => 'avif', 'gif' => 'gif',
        'heic' => 'heic', 'heif' => 'heic', 'tiff' => 'tiff', 'tif' => 'tiff', 'svg' => 'svg', 'jxl' => 'jxl',
    ];
    private const MEDIA = [
        'jpg' => 'image/jpeg', 'png' => 'image/png', 'webp' => 'image/webp', 'avif' => 'image/avif', 'gif' => 'image/gif',
    ];

    private string $base;
    private array $presets;
    private array $formats;

    /**
     * @param array $options the keys of thumbd.toml(5): prefix, scheme, enlarge, formats,
     *     presets, thumbnail_width and thumbnail_height; key, the content of the key's
     *     file; base, before each path, for example https://img.example
     */
    public function __construct(#[\SensitiveParameter] private array $options)
    {
        if (!in_array($options['scheme'], ['signed', 'preset'], true)) {
            throw new Mistake("the scheme {$options['scheme']} is none of signed and preset");
        }
        if ($options['scheme'] === 'signed' && ($options['key'] ?? '') === '') {
            throw new Mistake('a site of the scheme signed needs its key');
        }
        $this->base = preg_replace('~/\z~', '', $options['base'] ?? '');
        $this->presets = $options['presets'] ?? [];
        $this->formats = ($options['formats'] ?? []) ?: self::THUMBNAILS;
    }

    /** For var_dump, without the key: a page or a log of errors may show it. */
    public function __debugInfo(): array
    {
        return array_diff_key($this->options, ['key' => '']);
    }

    /**
     * The URL of a thumbnail. $spec is the name of a preset, card, card@2x or hero-320w,
     * or in the scheme signed a size and a method: 400x300_crop_q=70. Without a format
     * it is the original's own, or jpg if thumbnails can't have that format.
     */
    public function url(string $original, string $spec, ?string $format = null): string
    {
        $format = $format ?: $this->defaultFormat($original);
        if ($original === '') {
            throw new Mistake('there is no original');
        }
        $found = $this->find($spec);
        $signed = $this->options['scheme'] === 'signed';
        if ($found === null && !($signed && str_contains($spec, '_'))) {
            throw new Mistake("the preset {$spec} is unknown");
        }
        if (!$signed) {
            return $this->unsigned($original, $spec, $format, $found[0]);
        }
        if (!in_array($format, $this->formats, true)) {
            throw new Mistake("the format {$format} is none of the site's");
        }
        if ($found === null) {
            $parts = explode('_', $spec);
            $options = array_slice($parts, 2);
            sort($options, SORT_STRING);
            $spec = implode('_', [...array_slice($parts, 0, 2), ...$options]);
        }
        $stem = "{$this->options['prefix']}{$original}/{$spec}_";
        return $this->base . escape_path($stem . signature($this->options['key'], "{$stem}.{$format}") . ".{$format}");
    }

    private function unsigned(string $original, string $spec, string $format, array $preset): string
    {
        $own = self::formatOf($original);
        $formats = $preset['formats'] ?? [];
        $dot = strrpos($original, '.');
        $stem = $dot === false ? '' : substr($original, 0, $dot);
        $before = self::formatOf($stem);
        if ($before !== '' && $before !== $own && substr($original, $dot + 1) === $own && in_array($own, $formats, true)) {
            throw new Mistake("{$original} would be taken for {$stem}");
        }
        $has = in_array($format, $formats, true);
        if ($own === $format ? !$has && !in_array($format, $this->formats, true) : $own === '' || !$has) {
            throw new Mistake("the preset {$spec} does not have the format {$format} of {$original}");
        }
        return $this->base . escape_path("{$this->options['prefix']}{$spec}/{$original}" . ($own === $format ? '' : ".{$format}"));
    }

    /**
     * The srcset of a preset: its widths, or if it has none the preset and its NAME@Nx,
     * each with the width that the thumbnail really has. $width and $height are the
     * original's as it is seen, upright.
     */
    public function srcset(string $original, string $preset, ?int $width, ?int $height, ?string $format = null): string
    {
        if (!isset($this->presets[$preset])) {
            throw new Mistake("the preset {$preset} is unknown");
        }
        if ($width < 1 || $height < 1) {
            throw new Mistake("the original's width and height must be known");
        }
        $list = [];
        $last = 0;
        foreach (self::ladder($preset, $this->presets[$preset]) as $name) {
            $url = $this->url($original, $name, $format);
            $size = $this->size($original, $name, $width, $height);
            if ($size === null || $size[0] <= $last) {
                continue;
            }
            $last = $size[0];
            $list[] = "{$url} {$last}w";
        }
        return implode(', ', $list);
    }

    /**
     * The parts of a picture element: ['sources' => [attributes], 'img' => attributes].
     *
     * @param array $options width and height of the original, alt, sizes, lazy, priority;
     *     info, the original's description, an array of the JSON that thumbd info prints:
     *     its width and height count if there are no others; placeholder, to show the tiny
     *     picture of info's thumbhash until the picture is there
     */
    public function parts(string $original, string $preset, array $options): array
    {
        $info = $options['info'] ?? [];
        $of = isset($options['width']) || isset($options['height']) ? $options : $info;
        [$width, $height] = [$of['width'] ?? null, $of['height'] ?? null];
        $srcset = $this->srcset($original, $preset, $width, $height);
        $size = $this->size($original, $preset, $width, $height);
        if ($size === null) {
            throw new Mistake('the thumbnail would be too large');
        }
        $sizes = ($options['sizes'] ?? '') ?: (($this->presets[$preset]['widths'] ?? []) ? '100vw' : "{$size[0]}px");
        $img = [
            'src' => $this->url($original, $preset), 'srcset' => $srcset, 'sizes' => $sizes, 'width' => $size[0], 'height' => $size[1],
            'alt' => $options['alt'] ?? '', 'loading' => ($options['lazy'] ?? false) ? 'lazy' : 'eager', 'decoding' => 'async',
        ];
        if ($options['priority'] ?? false) {
            $img['fetchpriority'] = 'high';
        }
        if ($options['placeholder'] ?? false) {
            $tiny = self::within([$width, $height], [16, 16], false);
            $style = Placeholder::style($info['thumbhash'] ?? '', $tiny, $this->presets[$preset]['method']);
            $img += $style === '' ? [] : ['style' => $style];
        }
        $own = $this->defaultFormat($original);
        $sources = [];
        foreach ($this->presets[$preset]['formats'] ?? [] as $format) {
            // A GIF may be an animation, and an AVIF is none.
            if ($format === $own || $format === 'avif' && $own === 'gif') {
                continue;
            }
            $set = $this->srcset($original, $preset, $width, $height, $format);
            $sources[] = ['type' => self::MEDIA[$format], 'srcset' => $set, 'sizes' => $sizes];
        }
        return ['sources' => $sources, 'img' => $img];
    }

    /** The picture element, escaped. Its options are those of parts. */
    public function picture(string $original, string $preset, array $options): string
    {
        ['sources' => $sources, 'img' => $img] = $this->parts($original, $preset, $options);
        $html = "<picture>\n";
        foreach ($sources as $source) {
            $html .= self::tag('source', $source);
        }
        return $html . self::tag('img', $img) . "</picture>\n";
    }

    private static function tag(string $name, array $attributes): string
    {
        $entities = ['&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;', "'" => '&#39;'];
        $html = "<{$name}";
        foreach ($attributes as $key => $value) {
            $html .= " {$key}=\"" . strtr((string) $value, $entities) . '"';
        }
        return "{$html}>\n";
    }

    private static function ladder(string $preset, array $table): array
    {
        [$widths, $dpr] = [$table['widths'] ?? [], $table['dpr'] ?? []];
        sort($widths);
        sort($dpr);
        if ($widths) {
            return array_map(fn (int $n): string => "{$preset}-{$n}w", $widths);
        }
        return [$preset, ...array_map(fn (int $n): string => "{$preset}@{$n}x", $dpr)];
    }

    /** The preset of a name in URLs, and its box; null if there is none. */
    private function find(string $name): ?array
    {
        if (isset($this->presets[$name])) {
            return [$this->presets[$name], self::parseSize($this->presets[$name])];
        }
        if (!preg_match('/\A(.*)(?:@([1-9][0-9]*)x|-([1-9][0-9]*)w)\z/s', $name, $cut) || !isset($this->presets[$cut[1]])) {
            return null;
        }
        $preset = $this->presets[$cut[1]];
        [$w, $h] = self::parseSize($preset);
        $n = (int) ($cut[3] ?? $cut[2]);
        if (isset($cut[3])) {
            $box = [$n, $h ? max(self::scale($h, $n, $w), 1) : 0];
            return in_array($n, $preset['widths'] ?? [], true) ? [$preset, $box] : null;
        }
        return in_array($n, $preset['dpr'] ?? [], true) ? [$preset, [$w * $n, $h * $n]] : null;
    }

    private static function parseSize(array $preset): array
    {
        return array_map('intval', explode('x', $preset['size'] ?? 'x'));
    }

    /** The size of a thumbnail, as thumbd makes it; null if it is over the limits. */
    private function size(string $original, string $name, int $width, int $height): ?array
    {
        [$preset, $box] = $this->find($name);
        // A drawing has no pixels.
        $enlarge = ($preset['enlarge'] ?? $this->options['enlarge'] ?? false) || self::formatOf($original) === 'svg';
        $size = self::canvas([$width, $height], $box, $preset, $enlarge);
        $limits = [$this->options['thumbnail_width'] ?? 4096, $this->options['thumbnail_height'] ?? 4096];
        return $preset['method'] === 'original' || $size[0] <= $limits[0] && $size[1] <= $limits[1] ? $size : null;
    }

    private static function canvas(array $from, array $box, array $preset, bool $enlarge): array
    {
        $method = $preset['method'];
        $covered = $from[0] >= $box[0] && $from[1] >= $box[1];
        $smaller = [min($box[0], $from[0]), min($box[1], $from[1])];
        if ($method === 'original') {
            return $from;
        }
        if (!$box[0] || !$box[1]) {
            $box = $enlarge ? $box : $smaller;
            return $box[1] ? self::byHeight($from, $box[1]) : self::byWidth($from, $box[0]);
        }
        if ($method === 'pad' || $method === 'stretch') {
            return $box;
        }
        if ($method === 'fit') {
            return self::within($from, $box, $enlarge);
        }
        if ($method === 'scale') {
            if (!$enlarge && !$covered) {
                return $from;
            }
            return self::wider($box, $from) ? self::byWidth($from, $box[0]) : self::byHeight($from, $box[1]);
        }
        if ($enlarge || $covered) {
            return $box;
        }
        return ($preset['uncovered'] ?? '') === 'axes' ? $smaller : self::within($box, $from, false);
    }

    private static function within(array $from, array $box, bool $enlarge): array
    {
        if (!$enlarge && $from[0] <= $box[0] && $from[1] <= $box[1]) {
            return $from;
        }
        return self::wider($box, $from) ? self::byHeight($from, $box[1]) : self::byWidth($from, $box[0]);
    }

    private static function wider(array $a, array $b): bool
    {
        return $a[0] * $b[1] >= $b[0] * $a[1];
    }

    private static function byWidth(array $size, int $width): array
    {
        return [$width, max(self::scale($size[1], $width, $size[0]), 1)];
    }

    private static function byHeight(array $size, int $height): array
    {
        return [max(self::scale($size[0], $height, $size[1]), 1), $height];
    }

    /** $n x $to / $from, rounded half up. */
    private static function scale(int $n, int $to, int $from): int
    {
        return intdiv(2 * $n * $to + $from, 2 * $from);
    }

    private function defaultFormat(string $original): string
    {
        $own = self::formatOf($original);
        return in_array($own, $this->formats, true) ? $own : 'jpg';
    }

    /** The format that the extension of a name tells, or ''. */
    private static function formatOf(string $name): string
    {
        $base = substr($name, (int) strrpos('/' . $name, '/'));
        $dot = strrpos($base, '.');
        return $dot === false ? '' : self::EXTENSIONS[strtolower(substr($base, $dot + 1))] ?? '';
    }
}
