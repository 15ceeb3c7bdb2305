%% OTP's own supervisor as the oracle: a story a line on standard input, what came of it a line on standard output.
%%
%% A story is {Supervisor, [Action]}. Every child logs its start (+ ok, ! failed, ? ignored), its stop (-) and its own
%% end (x). Children that end are killed while their supervisor is suspended, so that it finds all their exits in its
%% queue, in order. After each action which_children is asked at every level until no restart is under way.
-module(oracle).
-behaviour(supervisor).
-export([main/0, init/1, start_worker/1, start_supervisor/1, worker/2]).

main() ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    ets:new(pids, [named_table, public]),
    ets:new(starts, [named_table, public]),
    ets:new(log, [named_table, public, ordered_set]),
    loop(open_port({fd, 0, 1}, [eof, binary, {line, 1000000}])).

loop(Port) ->
    receive
        {Port, {data, {eol, Line}}} ->
            {ok, Tokens, _} = erl_scan:string(binary_to_list(Line)),
            {ok, {Supervisor, Actions}} = erl_parse:parse_term(Tokens),
            port_command(Port, [lists:join($|, play(Supervisor, Actions)), $\n]),
            loop(Port);
        {Port, eof} ->
            halt(0)
    end.

play(Supervisor, Actions) ->
    [ets:delete_all_objects(Table) || Table <- [pids, starts, log]],
    Top = element(2, Supervisor),
    case start_supervisor(Supervisor) of
        {ok, Pid} ->
            First = told(Top, ok),
            Lines = [told(Top, act(Action)) || Action <- Actions],
            [First | Lines] ++ [stop(Top, Pid)];
        {error, _} ->
            receive {'EXIT', _, _} -> ok end,
            [told(Top, failed)]
    end.

stop(Top, Pid) ->
    exit(Pid, shutdown),
    receive {'EXIT', Pid, _} -> ok end,
    told(Top, ok).

%% ---- children

start_worker({Id, Outcomes}) ->
    case outcome(Id, Outcomes) of
        $f -> log($!, Id), {error, refused};
        $i -> log($?, Id), ignore;
        $o -> proc_lib:start_link(?MODULE, worker, [self(), Id])
    end.

worker(Parent, Id) ->
    process_flag(trap_exit, true),
    ets:insert(pids, {Id, self()}),
    log($+, Id),
    proc_lib:init_ack(Parent, {ok, self()}),
    receive
        {'EXIT', Parent, Reason} -> log($-, Id), exit(Reason);
        {finish, Reason} -> log($x, Id), exit(Reason)
    end.

start_supervisor({s, Id, _, _, Outcomes, _, _, _, _} = Spec) ->
    case outcome(Id, Outcomes) of
        $i -> log($?, Id), ignore;
        $o -> log($+, Id), supervisor:start_link(?MODULE, Spec)
    end.

init({s, Id, _, _, _, Strategy, Intensity, Auto, Children}) ->
    ets:insert(pids, {Id, self()}),
    Flags = #{strategy => Strategy, intensity => Intensity, period => 1000000, auto_shutdown => Auto},
    {ok, {Flags, [spec(Child) || Child <- Children]}}.

spec({w, Id, Restart, Significant, Outcomes}) ->
    #{id => Id, restart => Restart, significant => Significant, start => {?MODULE, start_worker, [{Id, Outcomes}]}};
spec({s, Id, Restart, Significant, _, _, _, _, _} = Spec) ->
    #{id => Id, restart => Restart, significant => Significant, type => supervisor,
      start => {?MODULE, start_supervisor, [Spec]}}.

outcome(Id, Outcomes) ->
    Number = ets:update_counter(starts, Id, 1, {Id, 0}),
    case Number =< length(Outcomes) of
        true -> lists:nth(Number, Outcomes);
        false -> $o
    end.

log(Sign, Id) ->
    ets:insert(log, {erlang:unique_integer([monotonic]), [Sign, atom_to_list(Id)]}).

%% ---- actions

act(Action) ->
    case alive(element(2, Action)) of
        false -> gone;
        Pid -> act(Pid, Action)
    end.

act(Pid, {'end', _, Victims}) ->
    sys:suspend(Pid),
    [finish(Pid, alive(Id), Reason) || {Id, Reason} <- Victims],
    sys:resume(Pid),
    ok;
act(Pid, {start, _, Spec}) -> answer(supervisor:start_child(Pid, spec(Spec)));
act(Pid, {terminate, _, Id}) -> answer(supervisor:terminate_child(Pid, Id));
act(Pid, {restart, _, Id}) -> answer(supervisor:restart_child(Pid, Id));
act(Pid, {delete, _, Id}) -> answer(supervisor:delete_child(Pid, Id)).

finish(_, false, _) -> ok;
finish(Supervisor, Pid, Reason) ->
    {message_queue_len, Queued} = process_info(Supervisor, message_queue_len),
    Pid ! {finish, Reason},
    wait_for_queue(Supervisor, Queued + 1).

wait_for_queue(Supervisor, Length) ->
    case process_info(Supervisor, message_queue_len) of
        {message_queue_len, Length} -> ok;
        _ -> erlang:yield(), wait_for_queue(Supervisor, Length)
    end.

answer(ok) -> ok;
answer({ok, undefined}) -> ignored;
answer({ok, _}) -> ok;
answer({error, {already_started, _}}) -> already_started;
answer({error, Word}) when Word =:= already_present; Word =:= running; Word =:= restarting; Word =:= not_found -> Word;
answer({error, _}) -> failed.

alive(Id) ->
    case ets:lookup(pids, Id) of
        [{_, Pid}] -> case is_process_alive(Pid) of true -> Pid; false -> false end;
        [] -> false
    end.

%% ---- what is seen

told(Top, Answer) ->
    Tree = settled(Top),
    Log = [Entry || {_, Entry} <- ets:tab2list(log)],
    ets:delete_all_objects(log),
    [atom_to_list(Answer), $;, lists:join($\s, Log), $;, Tree].

settled(Top) ->
    case alive(Top) of
        false -> "dead";
        Pid ->
            case shown(Top, Pid) of
                again -> erlang:yield(), settled(Top);
                Tree -> Tree
            end
    end.

shown(Id, Pid) ->
    try supervisor:which_children(Pid) of
        Children ->
            Shown = [child(Child) || Child <- lists:reverse(Children)],
            case lists:member(again, Shown) of
                true -> again;
                false -> [atom_to_list(Id), $(, lists:join($\s, Shown), $)]
            end
    catch exit:_ -> again
    end.

child({Id, undefined, _, _}) -> [atom_to_list(Id), $-];
child({_, restarting, _, _}) -> again;
child({Id, Pid, Type, _}) ->
    case {is_process_alive(Pid), Type} of
        {false, _} -> again;
        {true, worker} -> atom_to_list(Id);
        {true, supervisor} -> shown(Id, Pid)
    end.
