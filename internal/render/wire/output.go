// SPDX-License-Identifier: MIT

package wire

import (
	"bytes"
	"encoding/json"

	"thumbd/internal/thumb"
	"thumbd/internal/thumb/thumbjson"
)

// Outputs are the outputs of a job in the order of their memfds. In a message, an output
// is the JSON of its transform, for example {"width":400,"height":300,"method":"crop","format":"webp"}.
type Outputs []thumb.Transform

// MarshalJSON implements json.Marshaler.
func (o Outputs) MarshalJSON() ([]byte, error) {
	list := make([]thumbjson.Transform, len(o))
	for i, t := range o {
		list[i] = thumbjson.Of(t)
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements json.Unmarshaler. It refuses unknown fields.
func (o *Outputs) UnmarshalJSON(b []byte) error {
	var list []thumbjson.Transform
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return err
	}
	*o = nil
	for _, x := range list {
		*o = append(*o, thumbjson.Read(x))
	}
	return nil
}
