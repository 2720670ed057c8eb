// SPDX-License-Identifier: MIT

package watch

import "path"

// folders are the watched folders, by full path, each with the names of the folders in
// it. So the cost of the removal of a folder depends only on the number of folders below
// it.
type folders map[string]map[string]bool

func (f folders) has(folder string) bool {
	_, ok := f[folder]
	return ok
}

func (f folders) add(folder string) {
	if f.has(folder) {
		return
	}
	f[folder] = nil
	above, name := path.Dir(folder), path.Base(folder)
	names, ok := f[above]
	if !ok {
		return
	}
	if names == nil {
		names = make(map[string]bool)
		f[above] = names
	}
	names[name] = true
}

// remove removes a folder and the folders below it, and calls removed with each.
func (f folders) remove(folder string, removed func(folder string)) {
	if above := f[path.Dir(folder)]; above != nil {
		delete(above, path.Base(folder))
	}
	f.cut(folder, removed)
}

func (f folders) cut(folder string, removed func(folder string)) {
	for name := range f[folder] {
		f.cut(path.Join(folder, name), removed)
	}
	delete(f, folder)
	removed(folder)
}
