"""Timers that write each run into the file named by RUNS."""

import json
import os
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()


def _note(name: str, timer: func.TimerRequest) -> None:
    line = {"name": name, "past_due": timer.past_due, "status": timer.schedule_status, "schedule": timer.schedule}
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write(json.dumps(line) + "\n")


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def each_second(timer: func.TimerRequest) -> None:
    _note("each_second", timer)


@app.timer_trigger(arg_name="timer", schedule="%HOURLY%", run_on_startup=True)
def at_start(timer: func.TimerRequest) -> None:
    _note("at_start", timer)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
async def yearly(timer: func.TimerRequest) -> None:
    _note("yearly", timer)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def failing(timer: func.TimerRequest, context: func.Context) -> None:
    retry = context.retry_context
    _note(f"failing {retry.retry_count} of {retry.max_retry_count}", timer)
    raise RuntimeError("again")
