/** What every page of the console runs. Pages are read and forms are sent without it. */
import "./htmx";
import "./keys";
import "./dialogs";
import "./focus";
import "./forms";
import "./board";
import "./call";
import "./calls";
