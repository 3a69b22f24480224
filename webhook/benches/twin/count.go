package main

import (
	"bytes"
	"encoding/json"
	"log"
)

func count(text []byte) {
	var out bytes.Buffer
	if err := answer(json.NewDecoder(bytes.NewReader(text)), json.NewEncoder(&out)); err != nil {
		log.Fatal(err)
	}
}
