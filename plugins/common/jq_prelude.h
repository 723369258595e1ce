/* SPDX-License-Identifier: Apache-2.0 */
/* What stands before each program: definitions in place of builtins that read or write outside of
 * the event, and of those by which libjq 1.6 can be made to hang or to crash.  What a program does
 * not use costs it nothing: jq drops it. */
#pragma once

/* Such a name is found undefined where a program uses it, and nowhere else. */
#define JQ_ABSENT    "_is_not_available_here"
#define JQ_NOT(name) "def " name ": " name JQ_ABSENT ";"

static const char jq_prelude_absent[] = JQ_NOT("input") JQ_NOT("inputs") JQ_NOT("debug")
    JQ_NOT("stderr") JQ_NOT("input_filename") JQ_NOT("input_line_number") JQ_NOT("env")
        JQ_NOT("halt") JQ_NOT("halt_error") JQ_NOT("get_search_list") JQ_NOT("get_prog_origin")
            JQ_NOT("get_jq_origin") JQ_NOT("modulemeta") JQ_NOT("nan")
                JQ_NOT("localtime") "def halt_error(f): halt_error" JQ_ABSENT ";"
                                    "def strflocaltime(f): strflocaltime" JQ_ABSENT ";";

/* An error of null is none to libjq, and ends the program as if it had done its work. */
static const char jq_prelude_errors[] =
    "def mg_error: error;"
    "def error: if . == null then \"an error of null\" | mg_error else mg_error end;"
    "def error(f): f | error;";

static const char jq_prelude_numbers[] =
    /* A slice that begins or ends at NaN ends the process. */
    "def mg_sound: if type == \"number\" and isnan then error(\"NaN is no number\") else . end;"
    "def mg_tonumber: tonumber;"
    "def tonumber: mg_tonumber | mg_sound;"
    "def mg_fromjson: fromjson;"
    "def fromjson: . as $mg_t | mg_fromjson"
    " | if ($mg_t | contains(\"nan\")) then (.. | mg_sound | empty), . else . end;"
    /* The least whole number has no opposite to divide into. */
    "def mg_rest($a; $b): $a % $b;"
    "def _mod(a; b): b as $b | a as $a"
    " | if ([$a, $b] | map(type)) == [\"number\", \"number\"] and $b > -2 and $b <= -1 then 0"
    " else mg_rest($a; $b) end;"
    /* A time that no calendar has ends the process. */
    "def mg_strftime(f): strftime(f);"
    "def strftime(f): (if type == \"number\" then gmtime else . end) | mg_strftime(f);"
    "def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\");"
    "def todate: todateiso8601;"
    "def date: todate;"
    /* Repeats in C, and looks at no limit. */
    "def mg_times($a; $b): $a * $b;"
    "def _multiply(a; b): b as $b | a as $a | ($a | type) as $ta | ($b | type) as $tb"
    " | if ($ta == \"string\" and $tb == \"number\""
    " and ($a | utf8bytelength) as $n | mg_times($n; $b) > 1000000)"
    " or ($tb == \"string\" and $ta == \"number\""
    " and ($b | utf8bytelength) as $n | mg_times($n; $a) > 1000000)"
    " then error(\"a text repeated to more than 1000000 bytes\") else mg_times($a; $b) end;";

static const char jq_prelude_paths[] =
    /* A list is made as long as the place that is set in it. */
    "def mg_setpath(p; v): setpath(p; v);"
    "def setpath(p; v): v as $v | p as $p"
    " | if [$p[]? | select(type == \"number\" and . > 1000000)] == [] then mg_setpath($p; $v)"
    " else error(\"a place in a list beyond 1000000\") end;"
    "def _assign(paths; value): value as $v | reduce path(paths) as $p (.; setpath($p; $v));"
    "def _modify(paths; update): reduce path(paths) as $p (.; label $mg_out"
    " | (setpath($p; getpath($p) | update) | ., break $mg_out), delpaths([$p]));"
    /* An empty text is found without end. */
    "def mg_indices($i): indices($i);"
    "def indices($i): if $i == \"\" then error(\"the places of an empty text\")"
    " else mg_indices($i) end;"
    "def index($i): indices($i) | .[0];"
    "def rindex($i): indices($i) | .[-1:][0];";

static const char jq_prelude_patterns[] =
    /* With the flag g, an empty match in a text that is not ASCII reads beyond its end.  Such texts
     * are searched piece by piece, which what looks back would notice. */
    "def mg_match($re; $flags; $test): _match_impl($re; $flags; $test);"
    "def mg_looks_back: (split(\"[^\") | join(\"\") | contains(\"^\"))"
    " or contains(\"\\\\A\") or contains(\"\\\\b\") or contains(\"\\\\B\") or contains(\"\\\\G\")"
    " or contains(\"\\\\K\") or contains(\"(?<=\") or contains(\"(?<!\");"
    "def mg_all($re; $flags): . as $s | length as $n | def mg_next($at):"
    " if $at >= $n then empty else ($s[$at:] | mg_match($re; $flags; false)) as $m"
    " | if $m == [] then empty else ($m[0] | .offset += $at"
    " | .captures |= map(if .offset < 0 then . else .offset += $at end)) as $f"
    " | $f, mg_next($f.offset + ([$f.length, 1] | max)) end end; [mg_next(0)];"
    "def _match_impl(re; flags; test): re as $re | flags as $flags"
    " | if test or ($flags | type) != \"string\" or ($flags | contains(\"g\") | not)"
    " or type != \"string\" or utf8bytelength == length then mg_match($re; $flags; test)"
    " elif ($re | mg_looks_back) then"
    " error(\"^, \\\\b and what looks back cannot be combined with g in a text that is not ASCII\")"
    " else mg_all($re; $flags | split(\"g\") | join(\"\")) end;"
    "def match(re; mode): _match_impl(re; mode; false) | .[];"
    "def match($v): if ($v | type) == \"array\" then match($v[0]; $v[1]) else match($v; null) end;"
    "def test(re; mode): _match_impl(re; mode; true);"
    "def test($v): if ($v | type) == \"array\" then test($v[0]; $v[1]) else test($v; null) end;"
    "def mg_names: reduce (.captures[] | select(.name != null)) as $c ({};"
    " . + {($c.name): $c.string});"
    "def capture(re; mode): match(re; mode) | mg_names;"
    "def capture($v): match($v) | mg_names;"
    "def scan(re): match(re; \"g\") | if (.captures | length) > 0"
    " then [.captures[].string] else .string end;"
    "def splits($re; flags): . as $s | [match($re; \"g\" + flags) | .offset, .offset + .length]"
    " | [0] + . + [$s | length] | _nwise(2) | $s[.[0]:.[1]];"
    "def splits($re): splits($re; null);"
    "def split($re; flags): [splits($re; flags)];"
    "def sub($re; s; $flags): . as $s | reduce match($re; $flags) as $m ({at: 0, out: \"\"};"
    " {at: ($m.offset + $m.length), out: (.out + $s[.at:$m.offset] + ($m | mg_names | s))})"
    " | .out + $s[.at:];"
    "def sub($re; s): sub($re; s; \"\");"
    "def gsub($re; s; $flags): sub($re; s; $flags + \"g\");"
    "def gsub($re; s): sub($re; s; \"g\");";
