# What jq 1.6's manual says these do, and in the order in which jq 1.6 does it: where several results,
# errors or paths are possible, the order can be told.

def error: error(.);
def pow10: error("Error: pow10/0 not found at build time");
def map(f): [.[] | f];
def map_values(f): .[] |= f;
def select(f): if f then . else empty end;
def recurse(f): def walk_down: ., (f | walk_down); walk_down;
def recurse(f; condition): def walk_down: ., (f | select(condition) | walk_down); walk_down;
def recurse: recurse(.[]?);
def recurse_down: recurse(.[]?);
def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type == "array" or type == "object");
def scalars: select(type != "array" and type != "object");
def scalars_or_empty: select((type != "array" and type != "object") or length == 0);
def normals: select(isnormal);
def finites: select(isfinite);

def sort_by(f): _sort_by(map([f]));
def group_by(f): _group_by(map([f]));
def unique_by(f): group_by(f) | map(.[0]);
def unique: unique_by(.);
def min_by(f): _min_by(map([f]));
def max_by(f): _max_by(map([f]));
def add: reduce .[] as $item (null; . + $item);
def reverse: [.[length - 1 - range(0; length)]];
def join($separator):
  (reduce .[] as $item (null;
    (if . == null then "" else . + $separator end)
    + ($item | if type == "boolean" or type == "number" then tostring else . // "" end))) // "";
def _flatten($levels):
  reduce .[] as $item ([];
    if ($item | type) == "array" and $levels != 0 then . + ($item | _flatten($levels - 1))
    else . + [$item] end);
def flatten($levels):
  if $levels < 0 then error("flatten depth must not be negative") else _flatten($levels) end;
def flatten: _flatten(-1);
def range($upto): range(0; $upto);
def range($from; $upto; $by):
  def inside: ($by > 0 and . < $upto) or ($by < 0 and . > $upto);
  def count: if inside then ., ((. + $by) | count) else . end;
  if $by == 0 then $from else $from | count end | select(inside);
def transpose:
  if . == [] then []
  else . as $rows | (map(length) | max) as $width
  | [range(0; $width) as $column | [range(0; $rows | length) as $row | $rows[$row][$column]]]
  end;
def in(container): . as $key | container | has($key);
def inside(container): . as $part | container | contains($part);
def combinations:
  if length == 0 then []
  else .[0][] as $first | (.[1:] | combinations) as $rest | [$first] + $rest end;
def combinations(count): . as $choices | [range(count) | $choices] | combinations;
def walk(f):
  . as $whole
  | if type == "object" then
      reduce keys_unsorted[] as $key ({}; . + {($key): ($whole[$key] | walk(f))}) | f
    elif type == "array" then map(walk(f)) | f
    else f end;
def indices($part):
  if type == "array" and ($part | type) == "array" then .[$part]
  elif type == "array" then .[[$part]]
  elif type == "string" and ($part | type) == "string" then _string_indices($part)
  else .[$part] end;
def index($part): indices($part) | .[0];
def rindex($part): indices($part) | .[-1:][0];
# The target is asked for anew in every round, and sees the round's state.
def bsearch(target):
  if length == 0 then -1
  elif length == 1 then if target == .[0] then 0 elif target < .[0] then -1 else -2 end
  else . as $sorted
  | [0, length - 1, null]
  | until(.[0] > .[1];
      if .[2] != null then .[1] = -1
      else ((.[1] + .[0]) / 2 | floor) as $middle | $sorted[$middle] as $value
      | if $value == target then .[2] = $middle
        elif .[0] == .[1] then .[1] = -1
        elif $value < target then .[0] = $middle + 1
        else .[1] = $middle - 1 end
      end)
  | if .[2] != null then .[2]
    elif $sorted[.[0]] < target then -2 - .[0]
    else -1 - .[0] end
  end;

def to_entries: [keys_unsorted[] as $key | {key: $key, value: .[$key]}];
def from_entries:
  map({(.key // .Key // .name // .Name): (if has("value") then .value else .Value end)})
  | add | . //= {};
def with_entries(f): to_entries | map(f) | from_entries;

def del(f): delpaths([path(f)]);
def _assign(paths; value): value as $new | reduce path(paths) as $path (.; setpath($path; $new));
def _modify(paths; update):
  reduce path(paths) as $path (.;
    label $done
    | (setpath($path; getpath($path) | update) | ., break $done), delpaths([$path]));
def paths:
  path(recurse(if type == "array" or type == "object" then .[] else empty end))
  | select(length > 0);
def paths(f): . as $whole | paths | select(. as $path | $whole | getpath($path) | f);
def leaf_paths: paths(scalars);

def any(generator; condition):
  [label $done
    | foreach generator as $item (false;
        if . then break $done elif $item | condition then true else . end;
        if . then . else empty end)]
  | length == 1;
def any(condition): any(.[]; condition);
def any: any(.[]; .);
def all(generator; condition):
  [label $done
    | foreach generator as $item (true;
        if . | not then break $done elif $item | condition then . else false end;
        if . | not then . else empty end)]
  | length == 0;
def all(condition): all(.[]; condition);
def all: all(.[]; .);
def first(generator): label $done | generator | ., break $done;
def first: .[0];
def last(generator): reduce generator as $item (null; $item);
def last: .[-1];
def limit($count; generator):
  if $count < 0 then generator
  else label $done
    | foreach generator as $item ($count; . - 1; $item, if . <= 0 then break $done else empty end)
  end;
def nth($index): .[$index];
def nth($index; generator):
  if $index < 0 then error("nth doesn't support negative indices")
  else last(limit($index + 1; generator)) end;
def isempty(generator): 0 == ((label $done | generator | (1, break $done)) // 0);
def while(condition; update):
  def loop: if condition then ., (update | loop) else empty end;
  loop;
def until(condition; update):
  def loop: if condition then . else update | loop end;
  loop;
def repeat(f): def loop: f, loop; loop;

def _pattern:
  type as $type
  | if $type == "string" then [., null]
    elif $type == "array" and length > 1 then [.[0], .[1]]
    elif $type == "array" and length > 0 then [.[0], null]
    else error($type + " not a string or array") end;
def match(pattern; mode): _match(pattern; mode; false) | .[];
def match($pattern): ($pattern | _pattern) as [$re, $mode] | match($re; $mode);
def test(pattern; mode): _match(pattern; mode; true);
def test($pattern): ($pattern | _pattern) as [$re, $mode] | test($re; $mode);
def _captured: reduce (.captures[] | select(.name != null) | {(.name): .string}) as $one ({}; . + $one);
def capture(pattern; mode): match(pattern; mode) | _captured;
def capture($pattern): ($pattern | _pattern) as [$re, $mode] | capture($re; $mode);
def scan(pattern):
  match(pattern; "g") | if (.captures | length) > 0 then [.captures[].string] else .string end;
def splits($pattern; mode):
  . as $text
  | [0, (match($pattern; "g" + mode) | .offset, .offset + .length), length] as $cuts
  | range(0; $cuts | length; 2) as $at
  | $text[$cuts[$at]:$cuts[$at + 1]];
def splits($pattern): splits($pattern; null);
def split($pattern; mode): [splits($pattern; mode)];
def _substitute(found; replacement; $again):
  def once:
    . as $text
    | [found]
    | if length == 0 then $text
      else .[0] as $first | ($first.offset + $first.length) as $behind
      | $first | _captured
      | $text[0:$first.offset]
        + replacement
        + ($text[$behind:] | if length > 0 and $again then once else . end)
      end;
  once;
def sub($pattern; replacement; mode):
  (mode | index("g")) as $again
  | (mode | if $again then [explode[] | select(. != 103)] | implode else . end) as $mode
  | _substitute(match($pattern; $mode); replacement; $again);
def sub($pattern; replacement): _substitute(match($pattern); replacement; false);
def gsub($pattern; replacement; mode): sub($pattern; replacement; mode + "g");
def gsub($pattern; replacement): sub($pattern; replacement; "g");

def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
def todate: todateiso8601;
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%SZ") | mktime;
def fromdate: fromdateiso8601;

def tostream:
  if (type != "array" and type != "object") or length == 0 then [[], .]
  else keys_unsorted as $keys
  | ((. as $whole | $keys[] as $key | $whole[$key] | tostream | .[0] |= [$key] + .),
     [[$keys[-1]]])
  end;
def truncate_stream(stream):
  . as $depth | null | stream
  | . as $event | if (.[0] | length) > $depth then setpath([0]; $event[0][$depth:]) else empty end;
def fromstream(stream):
  foreach stream as $event ([null, false, null, false];
    (if ($event[0] | length) == 0 then [null, false, .[2], .[3]]
     elif ($event | length) == 1 and ($event[0] | length) < 2 then [null, false, .[0], .[1]]
     else . end)
    | . as $state
    | if ($event | length) > 1 and ($event[0] | length) > 0
      then [(.[0] | setpath($event[0]; $event[1])), true, $state[2], $state[3]]
      else . end;
    (if ($event[0] | length) == 1 and ($event | length) == 1 and .[3] then .[2] else empty end),
    (if ($event[0] | length) == 0 then $event[1] else empty end));

def INDEX(stream; key):
  reduce stream as $row ({};
    .[$row | key | if type == "string" then . else tojson end] |= $row);
def INDEX(key): INDEX(.[]; key);
def JOIN($index; key): [.[] | [., $index[key]]];
def JOIN($index; stream; key): stream | [., $index[key]];
def JOIN($index; stream; key; joined): stream | [., $index[key]] | joined;
def IN(source): reduce (first(select(. == source)) | true) as $found (false; . or $found);
def IN(stream; source): reduce (stream | IN(source)) as $found (false; . or $found);
