<?php
// SPDX-License-Identifier: MIT
declare(strict_types=1);

$root = $argv[1];
require "$root/packaging/examples/php/thumbd.php";

$checked = 0;

function expect(string $got, string $want): void
{
    global $checked;
    $checked++;
    [$a, $b] = [explode('?', $got, 2), explode('?', $want, 2)];
    if (rawurldecode($a[0]) !== rawurldecode($b[0]) || ($a[1] ?? '') !== ($b[1] ?? '')) {
        fwrite(STDERR, "got $got; want $want\n");
        exit(1);
    }
}

function vectors(string $name): array
{
    global $root;
    $v = json_decode(file_get_contents("$root/testdata/vectors/$name.json"), true, 512, JSON_THROW_ON_ERROR);
    return [$v['key'], array_filter($v['vectors'], fn ($x) => !isset($x['order']))];
}

[$key, $all] = vectors('signed');
foreach ($all as $x) {
    expect(thumbd\thumbnail($key, $x['prefix'], $x['original'], $x['spec'], $x['ext']), $x['request']);
}
[$key, $all] = vectors('access');
foreach ($all as $x) {
    expect(thumbd\access($key, $x['path'], $x['expires']), $x['request']);
}
[$key, $all] = vectors('files');
foreach ($all as $x) {
    expect(thumbd\download($key, $x['path'], $x['expires'], $x['download'] ?? null), $x['request']);
}
echo $checked, "\n";
