<?php
// SPDX-License-Identifier: MIT
// php tests/thumbd.php. It needs Debian's php-twig.

declare(strict_types=1);

foreach (['Mistake', 'functions', 'Placeholder', 'Site'] as $file) {
    require __DIR__ . "/../src/{$file}.php";
}

function read(string $name): array
{
    return json_decode(file_get_contents(__DIR__ . "/../../../../testdata/vectors/{$name}.json"), true, 512, JSON_THROW_ON_ERROR);
}

$checked = 0;

function same(string $got, string $want): void
{
    global $checked;
    $checked++;
    if ($got !== $want) {
        fwrite(STDERR, "got  {$got}\nwant {$want}\n");
        exit(1);
    }
}

// The other vectors have one right encoding of many.
function decoded(string $url): string
{
    $parts = explode('?', $url, 2);
    return rawurldecode($parts[0]) . '?' . ($parts[1] ?? '');
}

$v = read('clients');
$sites = array_map(fn (array $options): Thumbd\Site => new Thumbd\Site($options), $v['sites']);
foreach ($v['urls'] as $x) {
    same($sites[$x['site']]->url($x['original'], $x['spec'], $x['format'] ?? null), $x['want']);
}
foreach ($v['srcsets'] as $x) {
    same($sites[$x['site']]->srcset($x['original'], $x['spec'], $x['width'], $x['height'], $x['format'] ?? null), $x['want']);
}
foreach ($v['pictures'] as $x) {
    same($sites[$x['site']]->picture($x['original'], $x['spec'], $x), $x['want']);
}
foreach ($v['refused'] as $x) {
    try {
        same('no mistake: ' . $sites[$x['site']]->picture($x['original'], $x['spec'], $x), $x['why']);
    } catch (Thumbd\Mistake) {
        $checked++;
    }
}
$shown = print_r(new Thumbd\Site(['prefix' => '/t/', 'scheme' => 'signed', 'key' => 'secret']), true);
same(str_contains($shown, 'secret') || !str_contains($shown, '/t/') ? $shown : '', '');
['key' => $key, 'vectors' => $vectors] = read('signed');
foreach ($vectors as $x) {
    $site = new Thumbd\Site(['prefix' => $x['prefix'], 'scheme' => 'signed', 'key' => "{$key}\n", 'presets' => [$x['spec'] => []]]);
    same(decoded($site->url($x['original'], $x['spec'], $x['ext'])), decoded($x['request']));
}
['key' => $key, 'vectors' => $vectors] = read('access');
foreach ($vectors as $x) {
    same(decoded(Thumbd\access($key, $x['path'], $x['expires'])), decoded($x['request']));
}
['key' => $key, 'vectors' => $vectors] = read('files');
foreach ($vectors as $x) {
    if (!isset($x['order'])) {
        same(decoded(Thumbd\download($key, $x['path'], $x['expires'], $x['download'] ?? null)), decoded($x['request']));
    }
}

require '/usr/share/php/Twig/autoload.php';
require __DIR__ . '/../src/TwigExtension.php';
foreach ($v['pictures'] as $x) {
    $twig = new Twig\Environment(new Twig\Loader\ArrayLoader([
        'page' => '{{ thumbd_url(x.original, x.spec)|raw }}|{{ thumbd_picture(x.original, x.spec, x) }}',
    ]));
    $twig->addExtension(new Thumbd\TwigExtension($sites[$x['site']]));
    [$url, $element] = explode('|', $twig->render('page', ['x' => $x]), 2);
    same($element, $x['want']);
    same($url, $sites[$x['site']]->parts($x['original'], $x['spec'], $x)['img']['src']);
}
echo $checked, "\n";
