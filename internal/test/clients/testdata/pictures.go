// SPDX-License-Identifier: MIT

// Command pictures reads a site and originals from stdin, and writes their picture
// elements: see all.
package main

import (
	"encoding/json"
	"log"
	"os"

	"thumbd/clients/go"
)

func main() {
	var given struct {
		Options *thumbd.Site
		Cases   []struct {
			Original, Preset, Alt string
			Info                  thumbd.Info
			Placeholder, Lazy     bool
		}
	}
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		log.Fatal(err)
	}
	var all []string
	for _, x := range given.Cases {
		element, err := given.Options.Picture(x.Original, x.Preset, thumbd.Options{Info: x.Info, Alt: x.Alt, Lazy: x.Lazy, Placeholder: x.Placeholder})
		if err != nil {
			log.Fatal(err)
		}
		all = append(all, element)
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		log.Fatal(err)
	}
}
