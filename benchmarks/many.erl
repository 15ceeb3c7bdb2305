%% The workload of bench_many.py in Erlang: children of one simple_one_for_one supervisor are started, each is told one
%% message, and all are stopped. Prints the CPU time per child in microseconds, and the bytes of a waiting child.
-module(many).
-behaviour(supervisor).
-export([main/1, init/1, start_child/0, child/1]).

init([]) ->
    Child = #{id => child, start => {?MODULE, start_child, []}, restart => permanent, shutdown => 5000},
    {ok, {#{strategy => simple_one_for_one}, [Child]}}.

start_child() ->
    proc_lib:start_link(?MODULE, child, [self()]).

child(Parent) ->
    proc_lib:init_ack(Parent, {ok, self()}),
    wait().

wait() ->
    receive {hello, From} -> From ! done, wait() end.

main(Number) ->
    process_flag(trap_exit, true),
    erlang:garbage_collect(),
    Before = erlang:memory(processes),
    {Begin, _} = statistics(runtime),
    {ok, Supervisor} = supervisor:start_link(?MODULE, []),
    Children = [element(2, supervisor:start_child(Supervisor, [])) || _ <- lists:seq(1, Number)],
    [Child ! {hello, self()} || Child <- Children],
    [receive done -> ok end || _ <- Children],
    Bytes = erlang:memory(processes) - Before,
    exit(Supervisor, shutdown),
    receive {'EXIT', Supervisor, _} -> ok end,
    {End, _} = statistics(runtime),
    io:format("~w ~w~n", [1000 * (End - Begin) / Number, Bytes / Number]),
    halt().
