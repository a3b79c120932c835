// Command conformance drives the server under test with the AWS SDK for Go: `records`, `fan-out`.
//
// It prints the operations that it called; a failure is told with the exchange that broke it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// limit is how long a scenario may take.
const limit = time.Minute

var scenarios = map[string]func(context.Context, *rig) error{"records": records, "fan-out": fanOut}

func main() {
	scenario := scenarios[os.Args[1]]
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	rig, err := connect(ctx)
	if err == nil {
		err = scenario(ctx, rig)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\nlast exchange: %s\n", err, rig.last)
		os.Exit(1)
	}
	fmt.Printf("operations\t%s\n", strings.Join(rig.called(), ","))
}

// rig is a client that remembers what it did.
type rig struct {
	*kinesis.Client
	mutex      sync.Mutex
	operations map[string]bool
	last       string
}

func connect(ctx context.Context) (*rig, error) {
	made := &rig{operations: map[string]bool{}}
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return made, err
	}
	made.Client = kinesis.NewFromConfig(settings, func(options *kinesis.Options) {
		options.BaseEndpoint = aws.String(os.Getenv("LEVADA_ENDPOINT"))
		// A refusal is not tried again: the tests want to see it.
		options.Retryer = aws.NopRetryer{}
		options.APIOptions = append(options.APIOptions, made.watch)
	})
	return made, nil
}

// watch takes down each exchange, and each operation that answered well.
func (rig *rig) watch(stack *middleware.Stack) error {
	take := func(ctx context.Context, input middleware.DeserializeInput, next middleware.DeserializeHandler) (
		output middleware.DeserializeOutput, metadata middleware.Metadata, err error,
	) {
		output, metadata, err = next.HandleDeserialize(ctx, input)
		rig.mutex.Lock()
		defer rig.mutex.Unlock()
		operation := middleware.GetOperationName(ctx)
		rig.last = operation
		if request, is := input.Request.(*smithyhttp.Request); is {
			rig.last += fmt.Sprintf("\n  request: %s %s %v", request.Method, request.URL, shown(request.Header))
		}
		if response, is := output.RawResponse.(*smithyhttp.Response); is {
			rig.last += fmt.Sprintf("\n  response: %s %s %v", response.Proto, response.Status, response.Header)
		}
		if err == nil {
			rig.operations[operation] = true
		}
		return output, metadata, err
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Watch", take), middleware.Before)
}

// shown is a request's headers without its signature.
func shown(headers http.Header) http.Header {
	copied := headers.Clone()
	copied.Del("Authorization")
	return copied
}

func (rig *rig) called() []string {
	names := make([]string, 0, len(rig.operations))
	for name := range rig.operations {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
