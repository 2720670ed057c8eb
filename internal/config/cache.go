// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Cache is the budget of a site's tree. thumbd gc keeps the tree within it. If a field is
// 0, there is no such limit.
type Cache struct {
	MaxBytes int64         // of the disk
	MaxFiles int64         // thumbnails
	MaxAge   time.Duration // since a thumbnail was published
	MinFree  int64         // bytes of the tree's file system
}

const (
	day     = 24 * time.Hour
	mostAge = 36_500 * day
)

// cache reads the budget of d.
func (r *reader) cache(d *draft) {
	if t, ok := r.table(d.table, "cache"); ok {
		r.read(t, cacheFields(&d.Cache))
	}
}

func cacheFields(c *Cache) fields {
	return fields{
		"max_bytes": size(&c.MaxBytes, 1, 1<<60),
		"max_files": whole(&c.MaxFiles, 1, math.MaxInt64),
		"max_age":   age(&c.MaxAge),
		"min_free":  size(&c.MinFree, 1, 1<<60),
	}
}

// age takes times that are long: in whole days, "30d", or as any other.
func age(dst *time.Duration) setter {
	return func(v any) error {
		s, _ := v.(string)
		d, err := ParseAge(s)
		if err != nil || d < time.Minute || d > mostAge {
			return fmt.Errorf(`want a time from 1m to %dd such as "30d" or "36h", have %s`, mostAge/day, have(v))
		}
		*dst = d
		return nil
	}
}

// ParseAge returns a time as time.ParseDuration has it, or of whole days: "30d".
func ParseAge(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	return time.Duration(n) * day, err
}
