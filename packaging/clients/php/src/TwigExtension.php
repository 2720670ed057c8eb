<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace Thumbd;

use Twig\Extension\AbstractExtension;
use Twig\TwigFunction;

/**
 * For Twig: $twig->addExtension(new Thumbd\TwigExtension($site)), then
 *
 *     <img src="{{ thumbd_url(photo.name, 'card') }}">
 *     {{ thumbd_picture(photo.name, 'hero', {width: photo.width, height: photo.height, alt: photo.title}) }}
 */
final class TwigExtension extends AbstractExtension
{
    public function __construct(private Site $site)
    {
    }

    public function getFunctions(): array
    {
        return [
            new TwigFunction('thumbd_url', $this->site->url(...)),
            new TwigFunction('thumbd_picture', $this->site->picture(...), ['is_safe' => ['html']]),
        ];
    }
}
