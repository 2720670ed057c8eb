<?php
// SPDX-License-Identifier: MIT
// Reads a site and originals from stdin, and writes their picture elements: see all.

foreach (['Mistake', 'functions', 'Placeholder', 'Site'] as $file) {
    require "{$argv[1]}/php/src/{$file}.php";
}
['options' => $options, 'cases' => $cases] = json_decode(file_get_contents('php://stdin'), true, 512, JSON_THROW_ON_ERROR);
$site = new Thumbd\Site($options);
echo json_encode(array_map(fn (array $x): string => $site->picture($x['original'], $x['preset'], $x), $cases), JSON_THROW_ON_ERROR);
