// The same server as a Go programmer would write it first, with the standard library alone: it reads a review, looks at
// a few fields, and admits. What it does is less than what the webhook does.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"testing"
)

type request struct {
	UID       string          `json:"uid"`
	Kind      kind            `json:"kind"`
	Namespace string          `json:"namespace"`
	Operation string          `json:"operation"`
	Object    json.RawMessage `json:"object"`
	OldObject json.RawMessage `json:"oldObject"`
}

type kind struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
}

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type response struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

func answer(in *json.Decoder, out *json.Encoder) error {
	var asked review
	if err := in.Decode(&asked); err != nil || asked.Request == nil {
		return fmt.Errorf("no review: %v", err)
	}
	var object struct {
		Metadata map[string]any `json:"metadata"`
		Spec     map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(asked.Request.Object, &object); err != nil {
		return err
	}
	cluster, _ := object.Spec["cluster"].(string)
	asked.Response = &response{UID: asked.Request.UID, Allowed: cluster != ""}
	asked.Request = nil
	return out.Encode(&asked)
}

// twin count REVIEW: allocations of one review. twin serve FOLDER PORT HEALTH-PORT: the server.
func main() {
	if os.Args[1] == "count" {
		text, err := os.ReadFile(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(testing.AllocsPerRun(1000, func() { count(text) }))
		return
	}
	health := http.NewServeMux()
	health.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[4], health)) }()
	routes := http.NewServeMux()
	routes.HandleFunc("/validate", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		if err := answer(json.NewDecoder(r.Body), json.NewEncoder(w)); err != nil {
			http.Error(w, strconv.Quote(err.Error()), http.StatusBadRequest)
		}
	})
	server := http.Server{Addr: "127.0.0.1:" + os.Args[3], Handler: routes}
	server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	log.Fatal(server.ListenAndServeTLS(os.Args[2]+"/tls.crt", os.Args[2]+"/tls.key"))
}
