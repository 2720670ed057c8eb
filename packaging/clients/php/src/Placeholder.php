<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace Thumbd;

/**
 * The tiny picture of a ThumbHash (https://evanw.github.io/thumbhash/), as a PNG.
 *
 * @internal
 */
final class Placeholder
{
    /**
     * The style that shows the tiny picture below the picture until that is there; '' if it
     * would stay visible, below transparent pixels or padding.
     */
    public static function style(string $thumbhash, array $size, string $method): string
    {
        $hash = base64_decode($thumbhash, true);
        [$alpha, $channels] = self::decode($hash === false ? [] : array_values(unpack('C*', $hash)));
        if ($alpha || $method === 'pad') {
            return '';
        }
        $file = base64_encode(self::png($size, self::paint($channels, $size)));
        return "background:url(data:image/png;base64,{$file}) center/" . ($method === 'stretch' ? '100% 100%' : 'cover');
    }

    /** 24 and 16 bits of means and scales, then four bits for each wave. */
    private static function decode(array $hash): array
    {
        if (count($hash) < 5) {
            throw self::damaged();
        }
        $head = $hash[0] | $hash[1] << 8 | $hash[2] << 16;
        $more = $hash[3] | $hash[4] << 8;
        $alpha = $head >> 23 === 1;
        [$most, $least] = [$alpha ? 5 : 7, max($more & 7, 3)];
        [$nx, $ny] = $more >> 15 ? [$most, $least] : [$least, $most];
        $at = $alpha ? 12 : 10;
        $channels = [];
        foreach ([
            [($head & 63) / 63, $nx, $ny, ($head >> 18 & 31) / 31],
            // The differences of colors come back a quarter stronger: rounding weakens them.
            [($head >> 6 & 63) / 31.5 - 1, 3, 3, ($more >> 3 & 63) / 63 * 1.25],
            [($head >> 12 & 63) / 31.5 - 1, 3, 3, ($more >> 9 & 63) / 63 * 1.25],
        ] as [$mean, $nx, $ny, $scale]) {
            $waves = [];
            for ($y = 0; $y < $ny; $y++) {
                for ($x = $y ? 0 : 1; $x * $ny < $nx * ($ny - $y); $x++, $at++) {
                    $byte = $hash[$at >> 1] ?? throw self::damaged();
                    $waves[] = [$x, $y, (($byte >> ($at & 1) * 4 & 15) / 7.5 - 1) * $scale];
                }
            }
            $channels[] = [$mean, $waves];
        }
        return [$alpha, $channels];
    }

    private static function damaged(): Mistake
    {
        return new Mistake("the original's thumbhash is missing or damaged: want that of its description");
    }

    /** The lines of pixels, each with the 0 of a PNG without a filter before it. */
    private static function paint(array $channels, array $size): string
    {
        $lines = '';
        for ($y = 0; $y < $size[1]; $y++) {
            $down = self::cosines($y, $size[1]);
            $lines .= "\0";
            for ($x = 0; $x < $size[0]; $x++) {
                $across = self::cosines($x, $size[0]);
                [$l, $p, $q] = array_map(fn (array $c): float => self::value($c, $across, $down), $channels);
                $b = $l - $p * 2 / 3;
                $r = (3 * $l - $b + $q) / 2;
                $lines .= self::sample($r) . self::sample($r - $q) . self::sample($b);
            }
        }
        return $lines;
    }

    private static function cosines(int $i, int $n): array
    {
        return array_map(fn (int $k): float => cos(M_PI / $n * ($i + 0.5) * $k), range(0, 6));
    }

    private static function value(array $channel, array $across, array $down): float
    {
        [$v, $waves] = $channel;
        foreach ($waves as [$x, $y, $size]) {
            $v += $size * $across[$x] * $down[$y] * 2;
        }
        return $v;
    }

    private static function sample(float $v): string
    {
        return chr((int) floor(min(max($v, 0), 1) * 255 + 0.5));
    }

    /** The data are stored as they are: so all languages write the same bytes. */
    private static function png(array $size, string $lines): string
    {
        $n = strlen($lines);
        $data = "\x78\x01\x01" . pack('vv', $n, $n ^ 0xFFFF) . $lines . hash('adler32', $lines, true);
        $head = pack('NNC5', $size[0], $size[1], 8, 2, 0, 0, 0);
        return "\x89PNG\r\n\x1a\n" . self::chunk('IHDR', $head) . self::chunk('IDAT', $data) . self::chunk('IEND', '');
    }

    private static function chunk(string $name, string $data): string
    {
        return pack('N', strlen($data)) . $name . $data . hash('crc32b', $name . $data, true);
    }
}
